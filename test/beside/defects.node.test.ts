import { describe, expect, test } from 'vitest'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import { BesideWorld } from '../support/beside.ts'
import { reserved } from '../support/world.ts'

const IP = (name: string) => ({ kind: 'IP', name }) as const

/** The controller's collection at its start is off, as under the policy: what it forgets is forgotten all the same. */
const KEPT = { controller: { config: { gcIntervalMs: 0 } } }

const using = (beside: BesideWorld) => beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? ''

/** A new process of the controller that has done its start. */
async function restart(beside: BesideWorld): Promise<void> {
  beside.controller.restart()
  await beside.pass(5_000)
}

const annotation = async (beside: BesideWorld, pod: string, key: string) => {
  const object = await beside.hand({ verb: 'get', ref: { kind: 'Pod', namespace: 'default', name: pod } })
  return object.metadata.annotations?.[`ovn.kubernetes.io/${key}`]
}

describe('defects of v1.17.0, and a reservation of Berth’s beside them', () => {
  test('D2: forgotten by the controller’s memory, its address is given to nobody', async () => {
    const beside = await BesideWorld.start(KEPT)
    const [made] = reserved(await beside.reserve({ podName: 'a' }))
    await restart(beside)
    // Nothing of it is in the new process.
    expect(using(beside)).toBe('')
    for (const name of ['p', 'q', 'r']) await beside.pod(name)
    await beside.pass(2_000)
    for (const name of ['p', 'q', 'r'])
      expect(await annotation(beside, name, 'ip_address')).not.toBe(made?.v4IpAddress)
    // Its own Pod, with what Berth's webhook writes into it, gets it (R9).
    await beside.pod('a', {
      'ovn.kubernetes.io/ip_address': made?.v4IpAddress ?? '',
      'ovn.kubernetes.io/mac_address': made?.macAddress ?? '',
    })
    await beside.pass(2_000)
    expect(await annotation(beside, 'a', 'allocated')).toBe('true')
    expect(using(beside)).toContain(made?.v4IpAddress ?? '-')
  })

  test('D3: made while the controller is down, it keeps its address when that starts', async () => {
    const beside = await BesideWorld.start(KEPT)
    beside.controller.kill()
    const pending = await beside.reserve({ podName: 'a' })
    expect(pending.kind).toBe('pending')
    await restart(beside)
    await beside.pass(2_000)
    const lease = await beside.world.ledger().find('a.default')
    expect(lease).toMatchObject({ state: 'bound', v4: '10.16.0.100' })
    expect(beside.ip('a.default')?.spec).toMatchObject({
      v4IpAddress: '10.16.0.100',
      ipAddress: '10.16.0.100',
    })
  })

  test('D4: its lease has the owner’s key, so the Pod that asks for the address is the same owner', async () => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve({ podName: 'a' }))
    await beside.pod('a', { 'ovn.kubernetes.io/ip_address': made?.v4IpAddress ?? '' })
    await beside.pass(2_000)
    expect(await annotation(beside, 'a', 'ip_address')).toBe(made?.v4IpAddress)
    expect(await annotation(beside, 'a', 'mac_address')).toBe(made?.macAddress)
  })

  test('D8: both families are named, so that the controller completes none by itself', async () => {
    const beside = await BesideWorld.start({
      subnet: {
        annotations: { 'berth/window': '10.16.0.100..10.16.0.199,fd00:10:16::100..fd00:10:16::1ff' },
        spec: {
          cidrBlock: '10.16.0.0/16,fd00:10:16::/112',
          gateway: '10.16.0.1,fd00:10:16::1',
          protocol: 'Dual',
          excludeIps: [
            '10.16.0.1',
            'fd00:10:16::1',
            '10.16.0.100..10.16.0.199',
            'fd00:10:16::100..fd00:10:16::1ff',
          ],
        },
      },
    })
    const [made] = reserved(await beside.reserve({ podName: 'a', v4IpAddress: '10.16.0.150' }))
    expect(made).toMatchObject({ v4IpAddress: '10.16.0.150', v6IpAddress: 'fd00:10:16::100' })
    const [post] = beside.world.sent.filter(({ verb }) => verb === 'create')
    expect(post).toMatchObject({
      object: { spec: { v4IpAddress: '10.16.0.150', v6IpAddress: 'fd00:10:16::100' } },
    })
  })

  test('D10: the MAC is the one that was promised, lower-case', async () => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve({ podName: 'a', macAddress: '02:00:00:AA:BB:CC' }))
    expect(made?.macAddress).toBe('02:00:00:aa:bb:cc')
    expect(beside.ip('a.default')?.spec).toMatchObject({ macAddress: '02:00:00:aa:bb:cc' })
  })

  test('D13: an object that the controller makes another Pod’s address of is contested, and left alone', async () => {
    const beside = await BesideWorld.start(KEPT)
    const [made] = reserved(await beside.reserve({ podName: 'a' }))
    await restart(beside)
    // Without Berth's webhook the Pod asks for nothing, and its object is rewritten (R8).
    await beside.pod('a')
    await beside.pass(5_000)
    const spec = beside.ip('a.default')?.spec as { v4IpAddress: string }
    expect(spec.v4IpAddress).not.toBe(made?.v4IpAddress)
    const lease = await beside.world.ledger().find('a.default')
    expect(lease).toMatchObject({ state: 'bound', contested: true, v4: made?.v4IpAddress })
    expect(lease?.notes?.join()).toContain(spec.v4IpAddress)
  })

  test.each([
    ['D16: a VM is deleted', 'VirtualMachine'],
    ['D17: a NIC is unplugged', ''],
  ] as const)('%s, and the reservation with it: it is made again', async (_, podType) => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve({ podName: 'a', podType }))
    const before = beside.ip('a.default')?.metadata.uid
    // What either handler does of itself: a DELETE, and the release that follows.
    await beside.remove(IP('a.default'))
    await beside.pass(5_000)
    const { uid, finalizers } = beside.ip('a.default')?.metadata ?? {}
    expect([uid === before, finalizers]).toEqual([false, [FINALIZER]])
    expect(beside.ip('a.default')?.spec).toMatchObject({
      v4IpAddress: made?.v4IpAddress,
      macAddress: made?.macAddress,
    })
  })

  test('D20: what is to go is never edited before: the spec is as it was posted till the end', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    reserved(await beside.release('a.default'))
    for (const request of beside.world.sent)
      if (request.verb === 'patch') expect(request.patch).not.toHaveProperty('spec')
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('D22: a CIDR that shrinks drops the controller’s lease; the promise is stranded and comes back', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a', v4IpAddress: '10.16.0.150' }))
    const cidr = async (cidrBlock: string) => {
      await beside.change({ kind: 'Subnet', name: 'ovn-default' }, { spec: { cidrBlock } })
      await beside.learn()
      await beside.pass(2_000)
    }
    await cidr('10.16.0.0/25')
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'stranded' })
    expect(using(beside)).toBe('')
    await cidr('10.16.0.0/16')
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound' })
    expect(beside.ip('a.default')).toBeDefined()
  })
})
