import { beforeEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { mutateIp } from '../../shared/command/admission/ip.ts'
import { creating, ip, kubectlCreate, patchOf } from '../support/admission.ts'
import { expectAgreement } from '../support/agreement.ts'
import { patched } from '../support/review.ts'
import { World } from '../support/world.ts'

const NAME = 'web-1.default'

/** What becomes of a hold at admission when its object is seen, or is not (P22, faults.md 43). */
describe('the object of a hold at admission', () => {
  let world: World
  beforeEach(() => {
    world = new World({ mirrored: true, stragglerMs: 75_000 })
  })

  const find = () => world.ledger().find(NAME)
  const states = async () => (await find())?.state ?? 'free'
  const write = (...requests: Parameters<typeof world.store.send>[0]) => {
    const [reply] = world.store.send(requests)
    if (!reply?.ok) throw new Error(JSON.stringify(reply))
    return reply.value
  }

  it('seen, it is bound at once, without a call', async () => {
    const object = await kubectlCreate(world, ip())
    const calls = world.sent.length
    await world.mirror.changes()
    expect(await find()).toMatchObject({ state: 'bound', uid: object.metadata.uid, epoch: 2 })
    expect(world.sent.length).toBe(calls)
    await world.pass(300_000)
    expect(await states()).toBe('bound')
    await expectAgreement(world)
  })

  it('seen twice, it is bound once', async () => {
    await kubectlCreate(world, ip())
    await world.mirror.list('ovn-default')
    await world.mirror.list('ovn-default')
    expect(await find()).toMatchObject({ state: 'bound', epoch: 2 })
  })

  it('seen while the alarm looks for it, the look comes too late', async () => {
    await kubectlCreate(world, ip())
    let seen = false
    world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (!seen && requests[0]?.verb === 'get') {
        seen = true
        await world.mirror.changes()
      }
      return replies
    }
    await world.pass(95_000)
    expect(seen).toBe(true)
    expect(await find()).toMatchObject({ state: 'bound', epoch: 2 })
  })

  it('seen only after it was deleted, it is bound and then released', async () => {
    const object = await kubectlCreate(world, ip())
    write({ verb: 'delete', ref: { kind: 'IP', name: NAME }, uid: object.metadata.uid ?? '' })
    await world.mirror.changes()
    await world.pass(5_000)
    expect(await states()).toBe('free')
    expect(world.store.send([{ verb: 'get', ref: { kind: 'IP', name: NAME } }])[0]?.ok).toBe(false)
    await expectAgreement(world)
  })

  it('gone before anybody saw it, the address is free in the end', async () => {
    const object = await kubectlCreate(world, ip())
    const { metadata } = object
    write({
      verb: 'patch',
      ref: { kind: 'IP', name: NAME },
      patch: { metadata: { finalizers: null } },
      resourceVersion: metadata.resourceVersion ?? '',
    })
    write({ verb: 'delete', ref: { kind: 'IP', name: NAME }, uid: metadata.uid ?? '' })
    await world.mirror.changes()
    expect(await states()).toBe('held')
    await world.pass(95_000)
    expect(await states()).toBe('free')
    await expectAgreement(world)
  })

  it('that says something else than was held is not taken for it', async () => {
    const done = patched(ip(), patchOf(await mutateIp(world.ports, creating(ip()))))
    const other: KubeObject = {
      ...done,
      spec: { ...done.spec, v4IpAddress: '10.16.0.77', ipAddress: '10.16.0.77' },
    }
    write({ verb: 'create', object: other })
    await world.mirror.changes()
    expect(await states()).not.toBe('bound')
    await world.pass(400_000)
    expect(await states()).not.toBe('bound')
    // Its address is nobody's to give while it is there.
    const taken = await mutateIp(
      world.ports,
      creating(ip({ spec: { podName: 'b', v4IpAddress: '10.16.0.77' } })),
    )
    expect(taken.kind).toBe('denied')
  })

  it('kept back past every limit and asked for again: one address, one row (faults.md 43)', async () => {
    const first = patched(ip(), patchOf(await mutateIp(world.ports, creating(ip()))))
    await world.pass(10_500)
    const again = patched(ip(), patchOf(await mutateIp(world.ports, creating(ip()))))
    expect(again).toEqual(first)
    expect(patchOf(await mutateIp(world.ports, creating(again)))).toEqual([])
    await world.pass(95_000)
    expect(await states()).toBe('free')
    expect(world.ledger().due()).toEqual([])
    await expectAgreement(world)
  })

  it('of an owner whose own object is there already: refused, with what keeps its address', async () => {
    write({
      verb: 'create',
      object: {
        ...ip({
          spec: { v4IpAddress: '10.16.0.5', ipAddress: '10.16.0.5', macAddress: '0a:00:00:00:00:01' },
        }),
        metadata: { name: NAME, labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
      },
    })
    await mutateIp(world.ports, creating(ip({ spec: { podName: 'other' } }), { dryRun: true }))
    await world.mirror.list('ovn-default')
    const verdict = await mutateIp(world.ports, creating(ip()))
    expect(verdict).toMatchObject({ kind: 'denied', problem: { code: 'already_reserved', field: 'name' } })
    await expectAgreement(world)
  })
})
