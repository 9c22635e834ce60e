import { problemOf } from '../../problem.ts'
import { livingOwners } from '../owners.ts'
import type { CommandPorts } from '../ports.ts'
import { type IpLike, isForced, isReserved, textOf } from './ip-spec.ts'
import { type Admission, allowed, denied, failed, type Review, tenantOf } from './types.ts'

const FORCE_HINT = 'remove the owner first, or annotate the object with berth/force=true'

/** A reservation is not deleted under its living Pod or VM (D18), unless its annotation says so. */
export async function checkDeleted(ports: CommandPorts, review: Review): Promise<Admission> {
  const { oldObject } = review
  if (!oldObject || !isReserved(oldObject) || oldObject.metadata.deletionTimestamp !== undefined)
    return allowed()
  if (isForced(oldObject)) return allowed([], ['deleted by force: whoever lives on this address loses it'])
  const ip = oldObject as IpLike
  const living = await livingOwners(ports, [
    {
      state: 'bound',
      namespace: textOf(ip, 'namespace'),
      podName: textOf(ip, 'podName'),
      podType: textOf(ip, 'podType'),
    },
  ])
  if (!living.ok) return failed(living.error)
  if (living.value.length === 0) {
    await noteWish(ports, review, ip)
    return allowed()
  }
  return denied(
    problemOf(living.value.map((finding) => ({ ...finding, field: 'spec.podName', hint: FORCE_HINT }))),
  )
}

/** Who collects: what these delete was no wish of anybody's (D1, D16, D17). */
const COLLECTORS = /^system:(serviceaccount:kube-system:|kube-controller-manager$)/

/** Who wanted it. Beside the controller the ledger must know that somebody did: an object that merely goes is made again. */
async function noteWish(ports: CommandPorts, { dryRun, user }: Review, ip: IpLike): Promise<void> {
  const { name, uid } = ip.metadata
  if (dryRun || COLLECTORS.test(user) || !name || !uid) return
  const wanted = ports.ledger(textOf(ip, 'subnet')).want({ name, uid, by: tenantOf(ports.clusterName, user) })
  // Alone it is but who is to be named for it.
  await (ports.settings.authority === 'beside' ? wanted : wanted.catch(() => undefined))
}
