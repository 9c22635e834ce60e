import { describe, expect, it } from 'vitest'
import { adopt } from '../../shared/command/adopt.ts'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { AdoptOutcome, AdoptSelection, ReserveItem } from '../../shared/command/types.ts'
import { validate } from '../../shared/command/validate.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import {
  DEPRECATED_FINALIZER,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
} from '../../shared/kube-ovn/names.ts'
import { expectAgreement } from '../support/agreement.ts'
import {
  answered,
  busy,
  driven,
  dyingAt,
  first,
  invalid,
  lost,
  parked,
  refuse,
  turns,
  warm,
} from '../support/drive.ts'
import {
  byHand,
  change,
  make,
  mirrored,
  object,
  owner,
  ownerGone,
  podsObject,
  rows,
  states,
  strip,
} from '../support/foreign.ts'
import { snapshot } from '../support/snapshot.ts'
import { Steps } from '../support/steps.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const NAME = 'web.default'
const MAC = '00:00:00:4d:b4:01'

/** A Pod that runs, with the IP object the controller made for it. */
function running(world: World, podName = 'web', spec: Partial<IpSpec> = {}, metadata: object = {}): void {
  owner(world, podName, { status: { phase: 'Running' } })
  make(
    world,
    podsObject(
      podName,
      { v4IpAddress: '10.16.0.44', ...spec },
      { labels: { [LABEL_RESERVED]: 'false', [LABEL_NODE_NAME]: 'node-1' }, ...metadata },
    ),
  )
}

/** The same, with a mirror that has told of it, or without one. */
const KINDS = [
  ['told of by a mirror', true],
  ['met by the POST', false],
] as const

async function world(isMirrored: boolean, spec: Partial<IpSpec> = {}, metadata: object = {}): Promise<World> {
  const made = isMirrored ? await mirrored() : await warm()
  running(made, 'web', spec, metadata)
  if (isMirrored) await made.mirror.changes()
  made.sent.length = 0
  return made
}

const ask = (world: World, item: Partial<ReserveItem> = {}, more: object = {}) =>
  answered(world, reserve(world.ports, world.reserveCommand([{ podName: 'web', ...item }], more)))

/** Without a mirror the first row is the one warm() made. */
const row = (world: World) => rows(world).filter(({ nic }) => nic === NAME)

describe.each(KINDS)('a reserve for a Pod that runs already, %s', (_, isMirrored) => {
  it('keeps its address and MAC, 200, and marks its object', async () => {
    const w = await world(isMirrored)
    const outcome = await ask(w)
    expect(outcome).toMatchObject({ kind: 'done', created: false })
    expect(reserved(outcome)[0]).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.44', macAddress: MAC })
    const after = object(w, NAME)
    expect(after?.metadata).toMatchObject({
      finalizers: [FINALIZER],
      labels: { [LABEL_RESERVED]: 'true', [LABEL_NODE_NAME]: 'node-1' },
    })
    expect(after?.spec?.nodeName).toBe('node-1')
    expect(w.sent.length).toBeLessThanOrEqual(4)
    if (isMirrored) await w.mirror.changes()
    await expectAgreement(w)
    // It stays when its Pod goes, and is released like any other.
    ownerGone(w, 'web')
    await w.pass(200_000)
    expect(row(w)).toMatchObject([{ state: 'bound' }])
    reserved(await answered(w, release(w.ports, w.releaseCommand(NAME))))
    expect(object(w, NAME)).toBeUndefined()
  })

  it.each([
    ['the very address', { v4IpAddress: '10.16.0.44' }],
    ['address and MAC in another spelling', { v4IpAddress: '10.16.0.44', macAddress: '00:00:00:4D:B4:01' }],
  ])('grants %s', async (_wish, item) => {
    const w = await world(isMirrored)
    expect(reserved(await ask(w, item))[0]).toMatchObject({ v4IpAddress: '10.16.0.44', macAddress: MAC })
  })

  it.each([
    ['another address', { v4IpAddress: '10.16.0.45' }, 'already_reserved'],
    ['another MAC', { macAddress: '02:00:00:00:00:01' }, 'already_reserved'],
  ])('refuses %s and names what it has', async (_wish, item, code) => {
    const w = await world(isMirrored)
    const before = object(w, NAME)
    const why = refusal(await ask(w, item))
    expect(why).toMatchObject({ code, detail: expect.stringContaining('10.16.0.44') })
    await w.pass(200_000)
    expect(object(w, NAME)).toEqual(before)
    expect(row(w).map(({ state }) => state)).toEqual(isMirrored ? ['foreign'] : [])
    await expectAgreement(w)
  })

  it('answers a key again, and a dry run and a validation as it would', async () => {
    const w = await world(isMirrored)
    const before = snapshot(w)
    const dry = reserved(await ask(w, {}, { dryRun: true }))
    expect(dry[0]).toMatchObject({ v4IpAddress: '10.16.0.44', macAddress: MAC })
    const said = await validate(w.ports, w.reserveCommand([{ podName: 'web' }], { dryRun: true }))
    expect(said).toMatchObject({ allowed: true, preview: [{ v4IpAddress: '10.16.0.44' }] })
    const other = await validate(w.ports, w.reserveCommand([{ podName: 'web', v4IpAddress: '10.16.0.45' }]))
    expect(other).toMatchObject({ allowed: false, findings: [{ code: 'already_reserved' }] })
    expect(snapshot(w)).toEqual(before)
    const first = await ask(w, {}, { idempotencyKey: 'k' })
    expect(await ask(w, {}, { idempotencyKey: 'k' })).toEqual(first)
  })

  it('with the old finalizer keeps that one', async () => {
    const w = await world(isMirrored, {}, { finalizers: [DEPRECATED_FINALIZER] })
    reserved(await ask(w))
    expect(object(w, NAME)?.metadata.finalizers).toEqual([DEPRECATED_FINALIZER])
    ownerGone(w, 'web')
    reserved(await answered(w, release(w.ports, w.releaseCommand(NAME))))
    expect(object(w, NAME)).toBeUndefined()
  })

  it.each([
    ['in another Subnet', { subnet: 'dual-stack' }],
    ['of another owner', { podName: 'b', namespace: 'c' }],
  ])('refuses an object %s', async (_wish, spec) => {
    const w = await world(isMirrored, spec)
    const before = object(w, NAME)
    expect(['name_collision', 'already_reserved']).toContain(refusal(await ask(w)).code)
    await w.pass(200_000)
    expect(object(w, NAME)).toEqual(before)
    await expectAgreement(w)
  })

  it('refuses an address somebody else has, and one that is being removed', async () => {
    const w = await world(isMirrored)
    const clash = { podName: 'other', v4IpAddress: '10.16.0.50' }
    reserved(await reserve(w.ports, w.reserveCommand([clash])))
    running(w, 'api', { v4IpAddress: '10.16.0.50' })
    if (isMirrored) await w.mirror.changes()
    expect(refusal(await ask(w, { podName: 'api' })).code).toBe('contested')
    await w.pass(200_000)
    const ref = { kind: 'IP', name: NAME } as const
    byHand(w, { verb: 'delete', ref, uid: object(w, NAME)?.metadata.uid ?? '' })
    if (isMirrored) await w.mirror.changes()
    w.sent.length = 0
    expect(refusal(await ask(w)).code).toBe('releasing')
    expect(w.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
  })

  it('waits out a conflict, an unknown outcome and a cluster that is busy', async () => {
    for (const failure of [
      { reason: 'Conflict', outcome: 'refused', message: 'rv' },
      { reason: 'TooManyRequests', outcome: 'refused', message: 'later' },
      lost,
    ] as const) {
      const w = await world(isMirrored)
      w.intercept = first(2, 'patch', refuse(failure))
      expect(reserved(await ask(w))[0]?.state).toBe('bound')
      if (isMirrored) await w.mirror.changes()
      await expectAgreement(w)
    }
  })

  it('meets a writer in between', async () => {
    const w = await world(isMirrored)
    const patch = parked(w, 'patch')
    const outcome = ask(w)
    await patch.arrived
    change(w, NAME, { metadata: { labels: { team: 'x' } } })
    patch.go()
    expect(reserved(await outcome)[0]?.state).toBe('bound')
    expect(object(w, NAME)?.metadata.labels).toMatchObject({ team: 'x', [LABEL_RESERVED]: 'true' })
  })

  it('refuses where the object goes, or says something else, in between', async () => {
    for (const between of [
      (w: World) => strip(w, NAME),
      (w: World) => void change(w, NAME, { spec: { v4IpAddress: '10.16.0.99' } }),
    ]) {
      const w = await world(isMirrored)
      const patch = parked(w, 'patch')
      const outcome = ask(w)
      await patch.arrived
      between(w)
      patch.go()
      expect(['releasing', 'contested']).toContain(refusal(await outcome).code)
      if (isMirrored) await w.mirror.changes()
      await w.pass(300_000)
      if (isMirrored) await w.mirror.list('ovn-default')
      const left = object(w, NAME)?.spec?.v4IpAddress
      expect(row(w).map(({ state }) => state)).toEqual(isMirrored && left ? ['foreign'] : [])
      await expectAgreement(w)
    }
  })

  it('that dies at any point ends as it would have, with or without a retry', async () => {
    for (const retried of [false, true]) {
      for (let n = 0; ; n++) {
        const w = await world(isMirrored)
        const steps = new Steps(w)
        const command = w.reserveCommand([{ podName: 'web' }], { idempotencyKey: 'k' })
        const died = await dyingAt(w, n, () => reserve(w.ports, command))
        if (isMirrored) await w.mirror.list('ovn-default')
        await w.pass(100_000)
        if (retried || !died) {
          const [one] = reserved(await answered(w, reserve(w.ports, command)))
          expect(one, `at point ${n}`).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.44' })
        }
        if (isMirrored) await w.mirror.changes()
        await w.pass(200_000)
        expect(object(w, NAME)?.spec?.v4IpAddress).toBe('10.16.0.44')
        expect(steps.violations).toEqual([])
        await expectAgreement(w)
        if (!died) break
      }
    }
  })
})

it('an object that says a second family the Subnet has not is contested', async () => {
  const w = await world(true, { v6IpAddress: 'fd00::1' })
  expect(refusal(await ask(w)).code).toBe('contested')
})

it('two at once are one PATCH, and both are told', async () => {
  const w = await world(true)
  const outcomes = await Promise.all([ask(w), ask(w)])
  for (const outcome of outcomes) expect(reserved(outcome)[0]).toMatchObject({ state: 'bound' })
  expect(w.sent.filter(({ verb }) => verb === 'patch')).toHaveLength(1)
})

it('a wish that is told of while a reserve completes it leaves no second row', async () => {
  const w = await mirrored()
  make(w, { ...podsObject('web', {}), metadata: { name: NAME } })
  const patch = parked(w, 'patch')
  const outcome = ask(w)
  await patch.arrived
  await w.mirror.changes()
  patch.go()
  expect(reserved(await outcome)[0]).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.2' })
  expect(rows(w)).toHaveLength(1)
  await w.mirror.changes()
  await w.pass(200_000)
  expect(rows(w)).toMatchObject([{ state: 'bound', nic: NAME }])
  await expectAgreement(w)
})

it('a wish that is due again is left alone while it is adopted', async () => {
  const w = await mirrored()
  reserved(await ask(w, { podName: 'b', v4IpAddress: '10.16.0.44' }))
  make(w, { ...podsObject('web', { v4IpAddress: '10.16.0.44' }), metadata: { name: NAME } })
  await w.mirror.changes()
  reserved(await answered(w, release(w.ports, w.releaseCommand('b.default'))))
  const patch = parked(w, 'patch')
  const outcome = ask(w)
  await patch.arrived
  for (let look = 0; look < 13; look++) {
    w.clock.advance(5_000)
    w.ledger().due()
  }
  patch.go()
  await outcome
  await w.pass(100_000)
  await w.mirror.changes()
  expect(rows(w)).toMatchObject([{ state: 'bound', nic: NAME }])
  await expectAgreement(w)
})

it.each([
  ['while its PATCH is on its way', false],
  ['while its PATCH waits', true],
])('a forced release %s ends an adoption', async (_, waits) => {
  const w = await world(true)
  const patch = waits ? undefined : parked(w, 'patch')
  if (waits) w.intercept = first(1, 'patch', refuse(busy(3_000)))
  const outcome = ask(w)
  if (patch) await patch.arrived
  else await turns()
  const sent = w.sent.length
  const given = await driven(w, release(w.ports, w.releaseCommand(NAME, { force: true })), 2_000)
  patch?.go()
  expect(refusal(await outcome).code).toBe('releasing')
  await w.pass(100_000)
  expect(given.kind).toBe('done')
  expect([rows(w), object(w, NAME)]).toEqual([[], undefined])
  expect(
    w.sent
      .slice(sent)
      .filter(({ verb, ...rest }) => verb === 'patch' && JSON.stringify(rest).includes('berth/op')),
  ).toEqual([])
})

it('keeps the address it had chosen while its first POST is in doubt', async () => {
  const w = await warm()
  w.intercept = first(1, 'create', async (requests) => {
    running(w)
    return requests.map(() => ({ ok: false, error: lost }))
  })
  const outcome = await driven(w, reserve(w.ports, w.reserveCommand([{ podName: 'web' }])))
  expect(outcome.kind).toBe('pending')
  expect(row(w)).toMatchObject([{ state: 'held' }])
  await w.pass(100_000)
  expect(row(w)).toMatchObject([{ state: 'bound', v4: 0x0a10002c }])
  await expectAgreement(w)
})

it('a group that meets one is refused whole, and says how', async () => {
  for (const isMirrored of [true, false]) {
    const w = await world(isMirrored)
    const outcome = await answered(
      w,
      reserve(w.ports, w.reserveCommand([{ podName: 'a' }, { podName: 'web' }])),
    )
    expect(refusal(outcome)).toMatchObject({ code: 'already_reserved', findings: [{ item: 1 }] })
    await w.pass(200_000)
    expect(object(w, 'a.default')).toBeUndefined()
    await expectAgreement(w)
  }
})

it('one call where a mirror has told of it: the PATCH', async () => {
  const w = await world(true)
  reserved(await ask(w))
  expect(w.sent.map(({ verb }) => verb)).toEqual(['patch'])
})

describe('POST /v1/adopt', () => {
  const one = (w: World, target: object, more: object = {}) =>
    answered(
      w,
      adopt(w.ports, { tenant: 't', requestId: 'r', dryRun: false, bodyHash: 'h', target, ...more } as never),
    ) as Promise<AdoptOutcome>
  const many = (w: World, selection: AdoptSelection, dryRun = false) =>
    answered(w, adopt(w.ports, { tenant: 't', requestId: 'r', dryRun, bodyHash: 'h', selection }))

  it.each([
    ['name', { name: NAME }],
    ['name and Subnet', { name: NAME, subnet: 'ovn-default' }],
    ['owner', { namespace: 'default', podName: 'web', subnet: 'ovn-default' }],
  ])('adopts one by %s with a read and a PATCH', async (_, target) => {
    for (const isMirrored of [true, false]) {
      const w = await world(isMirrored)
      const outcome = await one(w, target)
      expect(outcome).toMatchObject({ kind: 'done', created: false, reservations: [{ state: 'bound' }] })
      expect(w.sent.map(({ verb }) => verb)).toEqual(['get', 'patch'])
      expect(await one(w, target)).toMatchObject({ kind: 'done', reservations: [{ state: 'bound' }] })
      if (isMirrored) await w.mirror.changes()
      await expectAgreement(w)
    }
  })

  it.each([
    ['nothing of that name', { name: 'none.default' }, 'not_found'],
    ['one in another Subnet', { name: NAME, subnet: 'dual-stack' }, 'not_found'],
    ['an owner in no Subnet', { namespace: 'default', podName: 'web', subnet: 'nowhere' }, 'unknown_subnet'],
  ])('refuses %s', async (_, target, code) => {
    const w = await world(false)
    const outcome = await one(w, target)
    expect(outcome).toMatchObject({ kind: 'refused', problem: { code } })
  })

  it.each([{}, { selector: { app: 'web' } }])('refuses a selection in no Subnet: %j', async (more) => {
    const outcome = await many(await world(false), { subnet: 'nowhere', ...more })
    expect(outcome).toMatchObject({ kind: 'refused', problem: { code: 'unknown_subnet', field: 'subnet' } })
  })

  it('refuses an object that has the name of a reservation', async () => {
    const w = await mirrored()
    reserved(await ask(w))
    await w.mirror.changes()
    strip(w, NAME)
    make(w, podsObject('web', { v4IpAddress: '10.16.0.44' }))
    expect(await one(w, { name: NAME })).toMatchObject({ kind: 'refused', problem: { code: 'contested' } })
  })

  it('that fails leaves a wish a wish, to be granted when its time comes', async () => {
    const w = await mirrored()
    reserved(await ask(w, { podName: 'other', macAddress: MAC }))
    make(w, podsObject('web', { v4IpAddress: '10.16.0.44' }, { finalizers: [], labels: {} }))
    await w.mirror.changes()
    await w.pass(2_000)
    expect(states(w, NAME)).toEqual(['foreign'])
    reserved(await answered(w, release(w.ports, w.releaseCommand('other.default'))))
    w.intercept = first(1, 'patch', refuse(invalid))
    expect(await one(w, { name: NAME })).toMatchObject({ kind: 'refused' })
    expect(states(w, NAME)).toEqual(['foreign'])
    await w.pass(120_000)
    expect(states(w, NAME)).toEqual(['bound'])
    expect(object(w, NAME)?.metadata.finalizers).toEqual([FINALIZER])
    await w.mirror.changes()
    await expectAgreement(w)
  })

  it('has no use for a wish without an address', async () => {
    const w = await world(false, { v4IpAddress: '', ipAddress: '' })
    expect(await one(w, { name: NAME })).toMatchObject({ kind: 'refused', problem: { code: 'contested' } })
  })

  it('with a dry run shows what would be, and changes nothing', async () => {
    const w = await world(true)
    const before = snapshot(w)
    expect(await one(w, { name: NAME }, { dryRun: true })).toMatchObject({
      kind: 'done',
      reservations: [{ state: 'bound', v4IpAddress: '10.16.0.44' }],
    })
    expect(await many(w, { subnet: 'ovn-default' }, true)).toMatchObject({
      kind: 'several',
      reservations: [{ v4IpAddress: '10.16.0.44' }],
    })
    expect(snapshot(w)).toEqual(before)
  })

  it('answers a key again, though the object is gone by then', async () => {
    const w = await world(true)
    const target = { name: NAME, subnet: 'ovn-default' }
    const told = await one(w, target, { idempotencyKey: 'k' })
    ownerGone(w, 'web')
    reserved(await answered(w, release(w.ports, w.releaseCommand(NAME))))
    expect(await one(w, target, { idempotencyKey: 'k' })).toEqual(told)
  })

  it('remembers an adoption of marks nobody knows: a ledger that was lost gets its own back', async () => {
    const w = await world(
      true,
      {},
      { annotations: { 'berth/op': 'op_01kdyak3set7xq7nejncs7_default~ovn-default' } },
    )
    expect(await one(w, { name: NAME })).toMatchObject({ kind: 'done', reservations: [{ state: 'bound' }] })
    await w.mirror.changes()
    await expectAgreement(w)
  })

  it('adopts many: all of a Subnet, of a namespace, or of Pods with labels; the others are named', async () => {
    const w = await mirrored()
    for (const n of [1, 2, 3])
      running(w, `web-${n}`, { v4IpAddress: `10.16.0.5${n}`, macAddress: `00:00:00:00:00:0${n}` })
    make(w, podsObject('bad', { v4IpAddress: '192.168.0.1' }))
    make(w, podsObject('far', { subnet: 'dual-stack', v4IpAddress: '10.17.0.9' }))
    make(w, podsObject('bare', {}))
    for (const n of [1, 2]) {
      const ref = { kind: 'Pod', namespace: 'default', name: `web-${n}` } as const
      const { metadata } = byHand(w, { verb: 'get', ref })
      byHand(w, {
        verb: 'patch',
        ref,
        patch: { metadata: { labels: { app: 'web' } } },
        resourceVersion: metadata.resourceVersion ?? '',
      })
    }
    await w.mirror.changes()
    const names = (outcome: AdoptOutcome) =>
      outcome.kind === 'several' ? outcome.reservations.map(({ name }) => name) : outcome
    const chosen = await many(w, { subnet: 'ovn-default', namespace: 'default', selector: { app: 'web' } })
    expect(names(chosen)).toEqual(['web-1.default', 'web-2.default'])
    expect(names(await many(w, { subnet: 'ovn-default', namespace: 'elsewhere' }))).toEqual([])
    const all = await many(w, { subnet: 'ovn-default' })
    expect(names(all)).toEqual(['web-1.default', 'web-2.default', 'web-3.default'])
    expect(all).toMatchObject({
      findings: [{ code: 'contested', message: expect.stringContaining('bad.default') }],
    })
    await w.mirror.changes()
    await expectAgreement(w)
  })

  it('goes by the machine or by its Pod, as KEEP_VM_IP says', async () => {
    for (const keepVmIp of [true, false]) {
      const w = await mirrored()
      Object.assign(w.ports.settings, { keepVmIp })
      const name = keepVmIp ? 'vm-a' : 'virt-launcher-vm-a-x'
      byHand(w, {
        verb: 'create',
        object: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: {
            name: 'virt-launcher-vm-a-x',
            namespace: 'default',
            labels: { app: 'vm' },
            ownerReferences: [
              { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'vm-a', uid: 'u' },
            ],
          },
        },
      })
      make(w, podsObject(name, { v4IpAddress: '10.16.0.60', podType: 'VirtualMachine' }))
      await w.mirror.changes()
      const outcome = await many(w, { subnet: 'ovn-default', selector: { app: 'vm' } })
      expect(outcome).toMatchObject({ reservations: [{ name: `${name}.default` }] })
    }
  })
})

it('a reservation by name shows what was adopted', async () => {
  const w = await world(true)
  reserved(await ask(w))
  const found = await reservation(w.ports, NAME, 'ovn-default')
  expect(found.ok && found.value).toMatchObject({ state: 'bound', owner: { name: 'web' } })
  expect(states(w, NAME)).toEqual(['bound'])
})
