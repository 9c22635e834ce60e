import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { allIn, get, ledgerObject, makeSubnet, post } from '../support/api.ts'
import { clusterNamespace } from '../support/cluster-object.ts'
import { context, eachGap, portsWith, wishOf } from '../support/object-ports.ts'

/** Evicts an object at gap number `n` (from 0) of what `work` does. Whether there was such a gap. */
async function evictedAt(
  n: number,
  object: DurableObjectStub,
  work: (ports: CommandPorts) => Promise<WriteOutcome>,
): Promise<{ readonly outcome: WriteOutcome; readonly evicted: boolean }> {
  let gap = 0
  let evicted = false
  const ports = portsWith(async () => {
    if (gap++ !== n) return
    evicted = true
    await evictDurableObject(object)
  })
  return { outcome: await work(ports), evicted }
}

/** Whose object is evicted, and from where on a net is each case's own. */
const OBJECTS = [
  ['the Subnet’s', 'ledger', 70],
  ['the cluster’s', 'cluster', 77],
] as const

const objectOf = (which: 'ledger' | 'cluster', subnet: string): DurableObjectStub =>
  which === 'ledger' ? ledgerObject(subnet) : clusterNamespace.getByName('default')

describe.each(OBJECTS)('%s object evicted between any two calls', (_, which, net) => {
  it('of a reserve: one reservation, the same answer under its key', async () => {
    const subnet = `evict-reserve-${which}`
    await makeSubnet(subnet, `10.${net + 0}.0.0/24`)
    const gaps = await eachGap(async (n) => {
      const command = { ...context(`key-${n}`), items: [wishOf(subnet, `pod-${n}`)] }
      const { outcome, evicted } = await evictedAt(n, objectOf(which, subnet), (ports) =>
        reserve(ports, command),
      )
      expect(outcome, `gap ${n}`).toMatchObject({ kind: 'done', reservations: [{ state: 'bound' }] })
      const again = await reserve(
        portsWith(async () => {}),
        command,
      )
      expect(again).toEqual(outcome)
      return evicted
    })
    expect(gaps).toBeGreaterThanOrEqual(6)
    const all = await allIn(subnet)
    expect(new Set(all.map(({ v4IpAddress }) => v4IpAddress)).size).toBe(gaps + 1)
    const { ledger } = (await get(`/v1/subnets/${subnet}`)).body
    expect(ledger.v4).toMatchObject({ bound: gaps + 1, held: 0, releasing: 0 })
  })

  it('of a group: all of it, once', async () => {
    const subnet = `evict-group-${which}`
    await makeSubnet(subnet, `10.${net + 1}.0.0/24`)
    const gaps = await eachGap(async (n) => {
      const items = ['a', 'b', 'c'].map((name) => wishOf(subnet, `${name}-${n}`))
      const command = { ...context(`key-${n}`), items }
      const { outcome, evicted } = await evictedAt(n, objectOf(which, subnet), (ports) =>
        reserve(ports, command),
      )
      expect(outcome.kind === 'done' && outcome.reservations.map(({ state }) => state)).toEqual(
        Array(3).fill('bound'),
      )
      return evicted
    })
    expect(await allIn(subnet)).toHaveLength(3 * (gaps + 1))
  })

  it('of a release: gone, once', async () => {
    const subnet = `evict-release-${which}`
    await makeSubnet(subnet, `10.${net + 2}.0.0/24`)
    const gaps = await eachGap(async (n) => {
      expect((await post('/v1/reserve', wishOf(subnet, `pod-${n}`))).status).toBe(201)
      const command = {
        ...context(`key-${n}`),
        targets: [{ name: `pod-${n}.${subnet}`, subnet }],
        force: false,
      }
      const { outcome, evicted } = await evictedAt(n, objectOf(which, subnet), (ports) =>
        release(ports, command),
      )
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
    expect(await allIn(subnet)).toEqual([])
    const { ledger } = (await get(`/v1/subnets/${subnet}`)).body
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
    expect(await reserve({ ...dying, cluster }, command)).toMatchObject({ kind: 'pending' })
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
