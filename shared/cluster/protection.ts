/** What stands between reservations and a restart of kube-ovn-controller (semantics.md §12, R2, R3, R8, R9). */
import { type Clock, LATE, within } from '../clock.ts'
import type { ClusterPort, ClusterReply, KubeObject, ObjectRef } from './port.ts'

/** infra/kubernetes installs both under these names. */
const POLICY: ObjectRef = { kind: 'ValidatingAdmissionPolicyBinding', name: 'berth-reserved-ips' }
const WEBHOOKS: ObjectRef = { kind: 'MutatingWebhookConfiguration', name: 'berth' }

/** undefined: the cluster does not tell. */
export interface Protected {
  /** The policy that keeps Kube-OVN's accounts from deleting reserved IP objects. */
  readonly policy: boolean | undefined
  /** The webhook that writes the reserved address into the Pod. */
  readonly pods: boolean | undefined
}

const FRESH_MS = 60_000

interface Webhooks extends KubeObject {
  readonly webhooks?: readonly { readonly rules?: readonly { readonly resources?: readonly string[] }[] }[]
}

/** What the two objects say. */
export function protectedBy(policy: ClusterReply, webhooks: ClusterReply): Protected {
  const asks = (object: KubeObject) =>
    ((object as Webhooks).webhooks ?? []).some(({ rules = [] }) =>
      rules.some(({ resources = [] }) => resources.includes('pods')),
    )
  return { policy: told(policy, () => true), pods: told(webhooks, asks) }
}

function told(reply: ClusterReply, says: (object: KubeObject) => boolean): boolean | undefined {
  if (reply.ok) return reply.value.metadata.deletionTimestamp === undefined && says(reply.value)
  return reply.error.reason === 'NotFound' ? false : undefined
}

/** What a restart of the controller would do, in words; empty where all is in place. */
export function exposures({ policy, pods }: Protected): readonly string[] {
  const words: string[] = []
  if (policy === false)
    words.push(
      'policy berth-reserved-ips is not installed: a restart of kube-ovn-controller deletes the IP objects of owners that are not there; Berth makes them again, with address and MAC',
    )
  if (pods === false)
    words.push(
      'the Pod webhook is not installed: after a restart of kube-ovn-controller a new Pod of a reserved name gets another address, unless its annotations ip_address and mac_address name the reserved ones',
    )
  if (policy === undefined || pods === undefined)
    words.push('the cluster does not tell whether policy and Pod webhook are installed')
  return words
}

/** Looks now and then. Kept as long as the isolate lives. */
export class Protection {
  #seen: { readonly said: Protected; readonly atMs: number } | undefined

  /** In words, by a look that is a minute old at most; what takes longer than `waitMs` counts as not told. */
  async exposures(
    cluster: Pick<ClusterPort, 'send'>,
    clock: Clock,
    waitMs: number,
  ): Promise<readonly string[]> {
    const nowMs = clock.nowMs()
    if (!this.#seen || Math.abs(nowMs - this.#seen.atMs) >= FRESH_MS) {
      const replies = await within(
        clock,
        waitMs,
        cluster.send([
          { verb: 'get', ref: POLICY },
          { verb: 'get', ref: WEBHOOKS },
        ]),
      )
      const [policy, webhooks] = replies === LATE ? [] : replies
      if (!policy || !webhooks) return exposures({ policy: undefined, pods: undefined })
      this.#seen = { said: protectedBy(policy, webhooks), atMs: clock.nowMs() }
    }
    return exposures(this.#seen.said)
  }
}
