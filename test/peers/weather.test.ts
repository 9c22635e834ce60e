import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { BerthOnCluster } from './berth.ts'

const RESERVES = 200
const CLIENTS = 16
/** How long one client tries to get an answer. */
const ANSWER_LIMIT_MS = 90_000

interface Reservation {
  readonly name: string
  readonly state: string
  readonly v4IpAddress: string
  readonly macAddress: string
  readonly owner: { readonly namespace: string; readonly name: string }
  readonly operation: string
  readonly object: KubeObject
}

describe('bad weather between Berth and a real API server', () => {
  let cluster: BerthOnCluster
  let round = 0
  beforeAll(async () => {
    // Short enough that what is unknown becomes known within a test.
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', STRAGGLER_MS: '15000' } })
  })
  afterAll(() => cluster?.stop())

  test.each<[string, (half: Promise<void>) => Promise<void>]>([
    [
      'kill -9 of workerd',
      async (half) => {
        await half
        await cluster.berth.kill9()
        await cluster.startBerth({}, '/healthz')
      },
    ],
    [
      'the API server restarted',
      async (half) => {
        await half
        await cluster.api.kill9()
        await cluster.api.restart()
      },
    ],
    [
      'etcd restarted',
      async (half) => {
        await half
        await cluster.api.etcd.kill9()
        await cluster.api.etcd.restart()
      },
    ],
    [
      'the API server standing still, longer than a call may take',
      async (half) => {
        await half
        cluster.api.pause()
        await new Promise((resolve) => setTimeout(resolve, 13_000))
        cluster.api.resume()
      },
    ],
    [
      'etcd standing still',
      async (half) => {
        await half
        cluster.api.etcd.pause()
        await new Promise((resolve) => setTimeout(resolve, 5_000))
        cluster.api.etcd.resume()
      },
    ],
  ])(
    '%s during 200 reserves: afterwards objects, ledger and answers agree',
    async (_, weather) => {
      round++
      const owners = Array.from({ length: RESERVES }, (_, n) => `web-${round}-${n}`)
      const queue = [...owners]
      let isHalf = () => {}
      const half = new Promise<void>((resolve) => {
        isHalf = resolve
      })
      const answers = new Map<string, Reservation>()
      const client = async () => {
        for (let owner = queue.shift(); owner !== undefined; owner = queue.shift()) {
          answers.set(owner, await reserved(cluster, owner))
          if (answers.size >= RESERVES / 4) isHalf()
        }
      }
      await Promise.all([weather(half), ...Array.from({ length: CLIENTS }, client)])
      await expectAgreement(cluster, answers)
    },
    240_000,
  )
})

/** One reserve, asked again under the same key until it is answered. */
async function reserved(cluster: BerthOnCluster, podName: string): Promise<Reservation> {
  const body = { subnet: 'ovn-default', namespace: 'default', podName }
  const headers = { 'Idempotency-Key': `key-${podName}` }
  const until = Date.now() + ANSWER_LIMIT_MS
  let last = 'no reply'
  while (Date.now() < until) {
    try {
      const reply = await cluster.call('POST', '/v1/reserve', body, headers)
      if (reply.status === 201 || reply.status === 200) return reply.json as Reservation
      last = `${reply.status} ${reply.text}`
      if (reply.status !== 202 && reply.status !== 503 && reply.status !== 429) throw new Error(last)
    } catch (error) {
      // Berth is being killed or started.
      if (!(error instanceof TypeError)) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${podName} was not answered: ${last}`)
}

/** What was answered is in the ledger and in the cluster, word for word, and nothing else of Berth is. */
async function expectAgreement(cluster: BerthOnCluster, answers: ReadonlyMap<string, Reservation>) {
  for (const [podName, answer] of answers) {
    const reply = await cluster.call('GET', `/v1/reservations/${answer.name}`)
    expect(reply.json, podName).toMatchObject({ ...essence(answer), state: 'bound' })
  }
  const rows = (await allReservations(cluster)).filter(({ state }) => state !== 'foreign')
  const listed = JSON.parse(await cluster.kubectl('get', 'ips', '-o', 'json')).items as KubeObject[]
  const objects = listed.filter(({ metadata }) => !metadata.name.startsWith('probe-'))
  const said = new Map(objects.map((object) => [object.metadata.name, object]))
  expect([...said.keys()].sort()).toEqual(rows.map(({ name }) => name).sort())
  for (const row of rows) {
    expect(row.state, row.name).toBe('bound')
    expect(said.get(row.name)).toEqual(row.object)
  }
  const addresses = rows.map(({ v4IpAddress }) => v4IpAddress)
  expect(new Set(addresses).size).toBe(addresses.length)
  await expect
    .poll(async () => (await cluster.call('GET', '/readyz')).status, { timeout: 60_000, interval: 250 })
    .toBe(200)
}

/**
 * What was promised, and that it is still the object that was answered: its uid, and the mark of the reserve. The
 * operation named last may be another: after a restart of the API server the ledger looks for some objects again.
 */
const essence = ({ name, v4IpAddress, macAddress, owner, object }: Reservation) => ({
  ...{ name, v4IpAddress, macAddress, owner },
  object: { metadata: { uid: object?.metadata.uid ?? 'none', annotations: object?.metadata.annotations } },
})

async function allReservations(cluster: BerthOnCluster): Promise<Reservation[]> {
  const rows: Reservation[] = []
  let from = ''
  do {
    const page = await cluster.call('GET', `/v1/reservations?limit=1000${from}`)
    expect(page.status).toBe(200)
    rows.push(...page.json.items)
    from = page.json.continue ? `&continue=${encodeURIComponent(page.json.continue)}` : ''
  } while (from !== '')
  return rows
}
