// What the webhooks add to a create. npm run bench -- admission (after npm run peers)
import { Agent, request } from 'node:https'
import { setTimeout } from 'node:timers/promises'
import { Installation } from '../../test/peers/installation.ts'
import { median, quantile } from '../ledger/median.ts'
import type { Measurement, Suite } from '../suite.ts'

/** Creates that nobody counts, until Berth's code is compiled: one at a time, without a pause. */
const WARM = 1_500
const ROUNDS = 6
const PER_ROUND = 60
/** Between two creates, so that the news of the one before is over: a latency is measured here, not a rate. */
const PAUSE_MS = 40

/**
 * The same object is created with and without the webhooks, in turns, by one client over one connection: whatever the
 * machine does meanwhile befalls both. Of some rounds the best counts, as elsewhere: the machine is shared.
 */
export const admission: Suite = {
  name: 'admission',
  async *run() {
    const installation = await Installation.start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: installation.api.ca })
    try {
      await installation.kubectl('create', 'clusterrole', 'ovn', '--verb=*', '--resource=ips.kubeovn.io')
      await installation.kubectl(
        'create',
        'clusterrolebinding',
        'ovn',
        '--clusterrole=ovn',
        `--user=${USER.unasked}`,
      )
      let index = 0
      const pair = async (): Promise<Pair> => {
        index += 1
        return { asked: await timed('asked'), unasked: await timed('unasked') }
      }
      const timed = async (side: keyof Pair, pauseMs = PAUSE_MS) => {
        await setTimeout(pauseMs)
        return create(installation, agent, ipOf(`${side}-${index}`, SUBNET[side], index), USER[side])
      }
      const round = async (count: number) => {
        const pairs: Pair[] = []
        while (pairs.length < count) pairs.push(await pair())
        return summary(pairs)
      }
      for (; index < WARM; index++) await timed('asked', 0)
      const rounds = []
      while (rounds.length < ROUNDS) rounds.push(await round(PER_ROUND))
      const [best] = rounds.toSorted((a, b) => a.added - b.added)
      if (best) yield* lines(best)
    } finally {
      agent.destroy()
      await installation.stop()
    }
  },
}

/** ms of one create on each side. */
interface Pair {
  readonly asked: number
  readonly unasked: number
}

function summary(pairs: readonly Pair[]) {
  const [asked, unasked] = [pairs.map((pair) => pair.asked), pairs.map((pair) => pair.unasked)]
  const [withIt, without] = [median(asked), median(unasked)]
  return { withIt, without, added: withIt - without, tail: quantile(asked, 0.95) - quantile(unasked, 0.95) }
}

function* lines({ withIt, without, added, tail }: ReturnType<typeof summary>): Iterable<Measurement> {
  yield { name: 'create without webhooks, p50', value: without, unit: 'ms' }
  yield { name: 'create with both webhooks, p50', value: withIt, unit: 'ms' }
  yield { name: 'what they add, p50', value: added, unit: 'ms', aim: 5 }
  yield { name: 'what they add, p95', value: tail, unit: 'ms' }
}

/** What is created unasked names a Subnet of nobody, or Berth would begin to complete it meanwhile. */
const SUBNET = { asked: 'ovn-default', unasked: 'of-nobody' } as const
/** The administrator, and an account whose writes never meet a webhook (infra/kubernetes/base/mutating.yaml). */
const USER = { asked: undefined, unasked: 'system:serviceaccount:kube-system:ovn' } as const

/** A complete object with an address of its own, so that both sides write the same. */
function ipOf(podName: string, subnet: string, index: number) {
  const address = `10.16.${64 + (index >> 7)}.${2 + (index & 127)}`
  const mac = `0a:00:00:00:${[index >> 8, index & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.default`, labels: { 'ovn.kubernetes.io/ip_reserved': 'true' } },
    spec: {
      subnet,
      podType: '',
      namespace: 'default',
      podName,
      v4IpAddress: address,
      ipAddress: address,
      macAddress: mac,
    },
  }
}

function create(installation: Installation, agent: Agent, object: object, user?: string): Promise<number> {
  const { api } = installation
  const body = JSON.stringify(object)
  const sentMs = performance.now()
  return new Promise((resolve, reject) => {
    const sent = request(`${api.url}/apis/kubeovn.io/v1/ips`, {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${api.tokens.admin}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(user ? { 'impersonate-user': user } : {}),
      },
    })
    sent.once('response', (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      reply.once('end', () => {
        if (reply.statusCode === 201) resolve(performance.now() - sentMs)
        else reject(new Error(`create: ${reply.statusCode} ${text}`))
      })
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
