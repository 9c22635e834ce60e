import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { EmbeddedHttp } from '../support/embedded-http.ts'
import { change, make, mirrored, object, podsObject, remove, rows, states } from '../support/foreign.ts'
import { refusal, reserved, type World } from '../support/world.ts'
import { NotingClock, portOver } from './scripted-http.ts'

/** A world that speaks to its cluster by HTTP, through the adapter, as to a real one. */
async function overHttp() {
  const world = await mirrored()
  const http = new EmbeddedHttp(world.store)
  const port = portOver(http, new NotingClock())
  world.intercept = (requests) => port.send(requests)
  return { world, http }
}

/** Lets time pass while something waits for it; bodies of requests take turns of the event loop. */
async function ended<T>(world: World, work: Promise<T>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  for (let round = 0; !isDone && round < 2_000; round++) {
    for (let turn = 0; turn < 10 && !isDone; turn++) await new Promise((next) => setImmediate(next))
    if (!isDone) world.clock.advance(100)
  }
  return work
}
const ask = (world: World, wish: object = {}) =>
  ended(world, reserve(world.ports, world.reserveCommand([wish])))

describe('409 AlreadyExists from the API server (fault 15)', () => {
  it.each([
    [
      '(b) the owner’s own with another address',
      podsObject('pod-a', { v4IpAddress: '10.16.9.9' }),
      { v4IpAddress: '10.16.0.3' },
      'already_reserved',
    ],
    [
      '(b) one that says another owner',
      podsObject('pod-b', { v4IpAddress: '10.16.9.9' }, { name: 'pod-a.default' }),
      {},
      'name_collision',
    ],
  ])('%s: 409, foreign, and never deleted', async (_, theirs, wish, code) => {
    const { world, http } = await overHttp()
    // The mirror has not told of it yet.
    const before = make(world, theirs)
    expect(refusal(await ask(world, wish)).code).toBe(code)
    expect(http.lines).toContain('POST ips 409')
    await world.mirror.list('ovn-default')
    expect(states(world, 'pod-a.default')).toEqual(['foreign'])
    await world.pass(200_000)
    expect(object(world, 'pod-a.default')).toEqual(before)
    expect(http.lines.filter((line) => !/^(GET|POST) /.test(line))).toEqual([])
    const [other] = reserved(await ask(world, { podName: 'other' }))
    // Nothing of what was refused is left.
    expect(
      rows(world)
        .map(({ nic }) => nic)
        .sort(),
    ).toEqual(['other.default', 'pod-a.default'])
    expect(other?.state).toBe('bound')
  })

  it('(d) terminating: 409 releasing while it is there, and had when it is gone', async () => {
    const { world, http } = await overHttp()
    make(world, podsObject('pod-a', { v4IpAddress: '10.16.9.9' }))
    remove(world, 'pod-a.default')
    const terminating = object(world, 'pod-a.default')
    expect(terminating?.metadata.deletionTimestamp).toBeDefined()
    expect(refusal(await ask(world)).code).toBe('releasing')
    expect(http.lines).toContain('POST ips 409')
    expect(object(world, 'pod-a.default')).toEqual(terminating)
    expect(http.lines.filter((line) => !/^(GET|POST) /.test(line))).toEqual([])
    change(world, 'pod-a.default', { metadata: { finalizers: null } })
    expect(reserved(await ask(world))[0]).toMatchObject({ name: 'pod-a.default', state: 'bound' })
    await expectAgreement(world)
  })
})

it('1,000 requests, 1,000 keys, one owner: one POST goes over the wire (fault 45)', {
  timeout: 60_000,
}, async () => {
  const { world, http } = await overHttp()
  const arrived = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  http.before = async (method) => {
    if (method !== 'POST') return
    arrived.resolve()
    await gate.promise
  }
  const all = Array.from({ length: 1_000 }, (_, n) =>
    reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: `key-${n}` })),
  )
  await arrived.promise
  world.clock.advance(50)
  gate.resolve()
  const outcomes = await ended(world, Promise.all(all))
  expect(http.lines.filter((line) => line.startsWith('POST'))).toEqual(['POST ips 201'])
  expect(outcomes.filter((outcome) => outcome.kind === 'done' && outcome.created)).toHaveLength(1)
  expect(new Set(outcomes.map((outcome) => JSON.stringify(reserved(outcome)))).size).toBe(1)
  expect(ipObjects(world)).toHaveLength(1)
  await expectAgreement(world)
})

it.each([
  ['the deprecated one', ['kube-ovn-controller']],
  ['both', ['kube-ovn-controller', FINALIZER]],
])(
  'a release takes off whichever finalizer is there, by resourceVersion: %s (fault 55)',
  async (_, finalizers) => {
    const { world, http } = await overHttp()
    reserved(await ask(world))
    change(world, 'pod-a.default', { metadata: { finalizers } })
    const outcome = await ended(world, release(world.ports, world.releaseCommand('pod-a.default')))
    expect(reserved(outcome)[0]?.name).toBe('pod-a.default')
    expect(object(world, 'pod-a.default')).toBeUndefined()
    expect(http.lines.filter((line) => line.startsWith('PATCH'))).toEqual(['PATCH ips 200'])
    expect(world.sent.find(({ verb }) => verb === 'patch')).toMatchObject({
      resourceVersion: expect.stringMatching(/^\d+$/),
    })
  },
)
