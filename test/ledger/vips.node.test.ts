import { expect, it } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { reservation } from '../../shared/command/find.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { seenVip } from '../../shared/command/seen.ts'
import { byHand, mirrored, rows } from '../support/foreign.ts'
import { refusal, reserved, type World } from '../support/world.ts'

function vip(world: World, spec: object, status: object = {}): KubeObject {
  return byHand(world, {
    verb: 'create',
    object: { apiVersion: 'kubeovn.io/v1', kind: 'Vip', metadata: { name: 'held' }, spec, status },
  })
}

async function told(world: World, object: KubeObject, gone = false): Promise<void> {
  const seen = seenVip(object)
  const version = String(Number(object.metadata.resourceVersion) + 1)
  await world.ports.ledger('ovn-default').observe({
    ...{ kind: 'changes', version },
    objects: gone ? [] : [seen],
    gone: gone ? [{ name: seen.name, uid: seen.uid }] : [],
  })
}

const ask = (world: World, more: object = {}) =>
  reserve(world.ports, world.reserveCommand([{ podName: 'a', ...more }]))

it.each([
  ['its spec', { subnet: 'ovn-default', v4ip: '10.16.0.2' }, {}],
  ['its status', { subnet: 'ovn-default' }, { v4ip: '10.16.0.2', mac: '00:00:00:00:00:01' }],
])(
  'an address that a Vip holds by %s is not given, and what to do instead is said',
  async (_, spec, status) => {
    const world = await mirrored()
    await told(world, vip(world, spec, status))
    const why = refusal(await ask(world, { v4IpAddress: '10.16.0.2' }))
    expect(why).toMatchObject({
      code: 'address_taken',
      field: 'v4IpAddress',
      detail: '10.16.0.2 is held by Vip held',
      findings: [{ hint: expect.stringContaining('delete Vip held') }],
    })
    expect(reserved(await ask(world))[0]?.v4IpAddress).toBe('10.16.0.3')
  },
)

it('is shown as a Vip, and left alone', async () => {
  const world = await mirrored()
  await told(world, vip(world, { subnet: 'ovn-default', v4ip: '10.16.0.2', namespace: 'default' }))
  const found = await reservation(world.ports, 'vip/held', 'ovn-default')
  expect(found.ok && found.value).toMatchObject({
    state: 'foreign',
    v4IpAddress: '10.16.0.2',
    object: { kind: 'Vip', metadata: { name: 'held' }, spec: { v4ip: '10.16.0.2' } },
  })
  await world.pass(300_000)
  expect(world.sent).toEqual([])
})

it('is free again after two looks at the Vip', async () => {
  const world = await mirrored()
  const made = vip(world, { subnet: 'ovn-default', v4ip: '10.16.0.2' })
  await told(world, made)
  byHand(world, { verb: 'delete', ref: { kind: 'Vip', name: 'held' }, uid: made.metadata.uid ?? '' })
  await told(world, made, true)
  await world.pass(200_000)
  expect(rows(world)).toEqual([])
  const look = { verb: 'get', ref: { kind: 'Vip', name: 'held' } }
  expect(world.sent).toEqual([look, look])
})

it('is kept while the Vip is there, whatever was told', async () => {
  const world = await mirrored()
  const made = vip(world, { subnet: 'ovn-default', v4ip: '10.16.0.2' })
  await told(world, made)
  await told(world, made, true)
  await world.pass(200_000)
  expect(rows(world)).toMatchObject([{ state: 'foreign', nic: 'vip/held' }])
})
