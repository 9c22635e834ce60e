import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Cluster } from '../../functions/objects/cluster.ts'
import { clusterClient } from '../../functions/objects/cluster-client.ts'
import type { Subnet } from '../../functions/objects/subnet.ts'
import { subnetClient } from '../../functions/objects/subnet-client.ts'
import { systemClock } from '../../shared/clock.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem, WriteOutcome } from '../../shared/command/types.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { silentLog } from '../../shared/log.ts'
import { systemRandom } from '../../shared/random.ts'
import { allIn, get, ledgerObject, makeSubnet, post } from '../support/api.ts'

const namespaces = exports as unknown as {
  Subnet: DurableObjectNamespace<Subnet>
  Cluster: DurableObjectNamespace<Cluster>
}

/** The production ports, with `between` run before each call to the ledger or the cluster, and after each reply. */
function portsWith(between: () => Promise<void>): CommandPorts {
  const watched = <T extends object>(port: T): T =>
    new Proxy(port, {
      get:
        (target, verb) =>
        async (...parameters: unknown[]) => {
          await between()
          const call = Reflect.get(target, verb) as (...parameters: unknown[]) => Promise<unknown>
          const reply = await call(...parameters)
          await between()
          return reply
        },
    })
  return {
    clusterName: 'default',
    cluster: watched<ClusterPort>(clusterClient(namespaces.Cluster, 'default')),
    ledger: (name) => watched<LedgerPort>(subnetClient(namespaces.Subnet, `default/${name}`)),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    settings: { waitMs: 5_000, authority: 'alone', ovn: false },
  }
}

/** Evicts the Subnet's object at gap number `n` (from 0) of what `work` does. Whether there was such a gap. */
async function evictedAt(
  n: number,
  subnet: string,
  work: (ports: CommandPorts) => Promise<WriteOutcome>,
): Promise<{ readonly outcome: WriteOutcome; readonly evicted: boolean }> {
  let gap = 0
  let evicted = false
  const ports = portsWith(async () => {
    if (gap++ !== n) return
    evicted = true
    await evictDurableObject(ledgerObject(subnet))
  })
  return { outcome: await work(ports), evicted }
}

const context = (key: string) => ({
  tenant: 'anonymous',
  requestId: 'test',
  dryRun: false,
  idempotencyKey: key,
  bodyHash: key,
})

const wishOf = (subnet: string, podName: string): ReserveItem => ({
  subnet,
  namespace: subnet,
  podName,
  podType: '',
})

/** Runs `at` for gap after gap until one does not exist; returns how many there were. */
async function eachGap(at: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; n < 60; n++) if (!(await at(n))) return n
  throw new Error('no end of gaps')
}

describe('the Subnet’s object evicted between any two calls', () => {
  it('of a reserve: one reservation, the same answer under its key', async () => {
    await makeSubnet('evict-reserve', '10.70.0.0/24')
    const gaps = await eachGap(async (n) => {
      const subnet = 'evict-reserve'
      const command = { ...context(`key-${n}`), items: [wishOf(subnet, `pod-${n}`)] }
      const { outcome, evicted } = await evictedAt(n, subnet, (ports) => reserve(ports, command))
      expect(outcome, `gap ${n}`).toMatchObject({ kind: 'done', reservations: [{ state: 'bound' }] })
      const again = await reserve(
        portsWith(async () => {}),
        command,
      )
      expect(again).toEqual(outcome)
      return evicted
    })
    expect(gaps).toBeGreaterThanOrEqual(6)
    const all = await allIn('evict-reserve')
    expect(new Set(all.map(({ v4IpAddress }) => v4IpAddress)).size).toBe(gaps + 1)
    const { ledger } = (await get('/v1/subnets/evict-reserve')).body
    expect(ledger.v4).toMatchObject({ bound: gaps + 1, held: 0, releasing: 0 })
  })

  it('of a group: all of it, once', async () => {
    await makeSubnet('evict-group', '10.71.0.0/24')
    const gaps = await eachGap(async (n) => {
      const items = ['a', 'b', 'c'].map((name) => wishOf('evict-group', `${name}-${n}`))
      const command = { ...context(`key-${n}`), items }
      const { outcome, evicted } = await evictedAt(n, 'evict-group', (ports) => reserve(ports, command))
      expect(outcome.kind === 'done' && outcome.reservations.map(({ state }) => state)).toEqual(
        Array(3).fill('bound'),
      )
      return evicted
    })
    expect(await allIn('evict-group')).toHaveLength(3 * (gaps + 1))
  })

  it('of a release: gone, once', async () => {
    await makeSubnet('evict-release', '10.72.0.0/24')
    const gaps = await eachGap(async (n) => {
      const subnet = 'evict-release'
      expect((await post('/v1/reserve', wishOf(subnet, `pod-${n}`))).status).toBe(201)
      const command = {
        ...context(`key-${n}`),
        targets: [{ name: `pod-${n}.${subnet}`, subnet }],
        force: false,
      }
      const { outcome, evicted } = await evictedAt(n, subnet, (ports) => release(ports, command))
      expect(outcome, `gap ${n}`).toMatchObject({ kind: 'done', reservations: [{ state: 'free' }] })
      expect(
        await release(
          portsWith(async () => {}),
          command,
        ),
      ).toEqual(outcome)
      return evicted
    })
    expect(gaps).toBeGreaterThanOrEqual(10)
    expect(await allIn('evict-release')).toEqual([])
    const { ledger } = (await get('/v1/subnets/evict-release')).body
    expect(ledger.v4).toMatchObject({ bound: 0, releasing: 0, free: 253 })
  })
})

describe('an operation whose driver died', () => {
  it('is finished by the alarm of the next incarnation, and a repeated alarm does nothing more', async () => {
    await makeSubnet('evict-alarm', '10.73.0.0/24')
    const dying = portsWith(async () => {})
    const cluster: ClusterPort = {
      ...dying.cluster,
      send: () => Promise.reject(new Error('the isolate is gone')),
    }
    // The ledger knows the Subnet, so the first call that is sent is the POST.
    const command = { ...context('key'), items: [wishOf('evict-alarm', 'pod')] }
    await expect(reserve({ ...dying, cluster }, command)).rejects.toThrow('the isolate is gone')
    const name = 'pod.evict-alarm'
    expect((await get(`/v1/reservations/${name}`)).body.state).toBe('held')
    const stub = ledgerObject('evict-alarm')
    await evictDurableObject(stub)
    for (let run = 0; run < 3; run++) {
      await get(`/v1/reservations/${name}`)
      await runDurableObjectAlarm(stub)
    }
    expect((await get(`/v1/reservations/${name}`)).body.state).toBe('bound')
    const objects = await portsWith(async () => {}).cluster.list('IP', {})
    expect(objects.ok && objects.value.items.filter(({ metadata }) => metadata.name === name)).toHaveLength(1)
    expect(await reserve(dying, command)).toMatchObject({ kind: 'done', created: true })
  })
})
