import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { answered, busy, driven, refuse, warm } from '../support/drive.ts'
import { FakePorts } from '../support/ports.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const NAME = 'pod-a.default'
const POD = { kind: 'Pod', namespace: 'default', name: 'pod-a' } as const

async function lab(ovn: boolean) {
  const ports = new FakePorts()
  const world = await warm({ ovn, quarantineMs: 60_000 }, (made) => {
    made.ovn = ports
  })
  const [lease] = reserved(await reserve(world.ports, world.reserveCommand([{}])))
  if (!lease) throw new Error('no reservation')
  if (ovn) ports.add(NAME, 'default/pod-a', lease.v4IpAddress)
  return { world, ports, address: lease.v4IpAddress ?? '' }
}

const free = (world: World, force = false) =>
  release(world.ports, world.releaseCommand(NAME, force ? { force } : {}))

function startPod(world: World): void {
  const metadata = { name: POD.name, namespace: POD.namespace }
  world.store.send([{ verb: 'create', object: { apiVersion: 'v1', kind: 'Pod', metadata, spec: {} } }])
}

function endPod(world: World): void {
  const [pod] = world.store.send([{ verb: 'get', ref: POD }])
  if (!pod?.ok) throw new Error('no Pod')
  world.store.send([{ verb: 'delete', ref: POD, uid: pod.value.metadata.uid ?? '' }])
}

function object(world: World) {
  const [reply] = world.store.send([{ verb: 'get', ref: { kind: 'IP', name: NAME } }])
  return reply?.ok ? reply.value : undefined
}

/** While `held`, the cluster takes no such write. */
function holding(world: World, verb: 'delete' | 'patch') {
  const gate = { held: true }
  world.intercept = (requests, pass) =>
    gate.held && requests.some((request) => request.verb === verb) ? refuse(busy())(requests) : pass(requests)
  return gate
}

/** Nobody else gets the address, and the operation says what it waits for. */
async function expectKept(world: World, address: string, operation: string): Promise<void> {
  const other = world.reserveCommand([{ podName: 'other', v4IpAddress: address }])
  expect(refusal(await answered(world, reserve(world.ports, other))).code).toBe('address_taken')
  expect(await world.ledger().operation(operation)).toMatchObject({ state: 'running', phase: 'pod_started' })
  expect((await world.ledger().find(NAME))?.notes).toEqual([
    `the release of ${NAME} waits: Pod default/pod-a is alive`,
  ])
}

describe('a Pod that starts under a release (fault 87)', () => {
  describe.each([true, false])('with OVN: %s', (ovn) => {
    it.each([
      ['before its object is deleted', 'delete'],
      ['before its object is let go', 'patch'],
    ] as const)('%s keeps its address; the release goes on when it has gone', async (_, verb) => {
      const { world, address } = await lab(ovn)
      const gate = holding(world, verb)
      const outcome = await driven(world, free(world))
      if (outcome.kind !== 'pending') throw new Error(outcome.kind)
      startPod(world)
      gate.held = false
      await world.pass(900_000)
      expect(object(world)?.spec).toMatchObject({ v4IpAddress: address })
      expect(object(world)?.metadata.deletionTimestamp === undefined).toBe(verb === 'delete')
      await expectKept(world, address, outcome.operation)
      endPod(world)
      // News of it is acted upon at once.
      await world.ports.ledger('ovn-default').nudge({ namespace: 'default', podName: 'pod-a' })
      await world.pass(5_000)
      expect(object(world)).toBeUndefined()
      expect(await world.ledger().operation(outcome.operation)).toMatchObject({ state: 'done' })
    })
  })

  it('after the driver fell silent is asked for before anything is sent', async () => {
    const { world, address } = await lab(false)
    world.point = (name) => {
      if (name !== 'before delete is sent') return
      world.point = () => {}
      startPod(world)
      throw new Error('the driver is gone')
    }
    await driven(world, free(world)).catch(() => undefined)
    await world.pass(900_000)
    expect(object(world)?.metadata.deletionTimestamp).toBeUndefined()
    const held = await world.ledger().find(NAME)
    expect(held?.state).toBe('releasing')
    await expectKept(world, address, held?.operation ?? '')
  })

  it('does not hold up a release by force', async () => {
    const { world } = await lab(false)
    const gate = holding(world, 'patch')
    const outcome = await driven(world, free(world, true))
    if (outcome.kind !== 'pending') throw new Error(outcome.kind)
    startPod(world)
    gate.held = false
    await world.pass(120_000)
    expect(object(world)).toBeUndefined()
  })
})
