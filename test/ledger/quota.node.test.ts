import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { validate } from '../../shared/command/validate.ts'
import { ANNOTATION_QUOTAS } from '../../shared/kube-ovn/names.ts'
import { countFinding, lifetimeFinding, limitOf } from '../../shared/ledger/quota.ts'
import { parseTerms } from '../../shared/ledger/terms.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, first, invalid } from '../support/drive.ts'
import { snapshot } from '../support/snapshot.ts'
import { ask, lab, many, QUOTA, quotas, terms, wish } from '../support/terms.ts'
import { refusal, reserved } from '../support/world.ts'

describe('a quota', () => {
  it('is exact under 1,000 reserves at once', async () => {
    const world = await lab({ shop: { addresses: 100 } }, undefined, {}, '10.30.0.0/16')
    const outcomes = await Promise.all(many(1_000).map((one) => ask(world, one)))
    const made = outcomes.filter(({ kind }) => kind === 'done')
    expect(made).toHaveLength(100)
    for (const outcome of outcomes)
      if (outcome.kind !== 'done')
        expect(refusal(outcome)).toMatchObject({ code: 'quota_exceeded', field: 'namespace' })
    expect(ipObjects(world, 'lab')).toHaveLength(100)
    expect(await quotas(world)).toEqual([{ namespace: 'shop', used: 100, limit: 100 }])
    await expectAgreement(world, 'lab')
  })

  it('is exact after the ledger has been opened anew', async () => {
    const world = await lab(QUOTA)
    reserved(await ask(world, ...many(4)))
    world.restart('lab')
    reserved(await ask(world, wish(4)))
    expect(refusal(await ask(world, wish(5))).code).toBe('quota_exceeded')
  })

  it('refuses a group that does not fit whole, and nothing changes', async () => {
    const world = await lab(QUOTA)
    reserved(await ask(world, ...many(3)))
    const before = snapshot(world)
    const why = refusal(await ask(world, ...many(3, 3)))
    expect(why).toMatchObject({ code: 'quota_exceeded', findings: [{ item: 2 }] })
    expect(snapshot(world)).toEqual(before)
    // What was counted for the refused group is not counted any more.
    reserved(await ask(world, ...many(2, 3)))
  })

  it('counted first in the middle of a group that is then refused is counted anew', async () => {
    const world = await lab({ shop: { addresses: 0 } })
    world.restart('lab')
    expect(refusal(await ask(world, wish(0, { namespace: 'other' }), wish(1))).code).toBe('quota_exceeded')
    await terms(world, { [ANNOTATION_QUOTAS]: { other: { addresses: 1 } } })
    reserved(await ask(world, wish(0, { namespace: 'other' })))
  })

  it('does not ask about what is there', async () => {
    const world = await lab(QUOTA)
    reserved(await ask(world, ...many(5)))
    expect(await ask(world, ...many(5))).toMatchObject({ kind: 'done', created: false })
    expect(refusal(await ask(world, ...many(6)))).toMatchObject({ findings: [{ item: 5 }] })
  })

  it('is freed by a release, and used again by an owner who comes back', async () => {
    const world = await lab(QUOTA, undefined, { quarantineMs: 300_000 })
    reserved(await ask(world, ...many(5)))
    reserved(await release(world.ports, world.releaseCommand('web-0.shop')))
    reserved(await ask(world, wish('new')))
    // Its address is still its own, its place is not.
    expect(refusal(await ask(world, wish(0))).code).toBe('quota_exceeded')
    reserved(await release(world.ports, world.releaseCommand('web-1.shop')))
    reserved(await ask(world, wish(0)))
    expect(refusal(await ask(world, wish(1))).code).toBe('quota_exceeded')
  })

  it('is freed by a reserve that is taken back', async () => {
    const world = await lab({ shop: { addresses: 1 } })
    world.intercept = first(1, 'create', async () => [err(invalid)])
    refusal(await answered(world, ask(world, wish(0)), 'lab'))
    reserved(await ask(world, wish(1)))
    expect(refusal(await ask(world, wish(2))).code).toBe('quota_exceeded')
  })

  it('of * is for each namespace that has none of its own', async () => {
    const world = await lab({ '*': { addresses: 1 }, shop: {}, none: { addresses: 0 } })
    reserved(await ask(world, ...many(4)))
    reserved(await ask(world, wish(0, { namespace: 'a' }), wish(0, { namespace: 'b' })))
    expect(refusal(await ask(world, wish(1, { namespace: 'a' }))).code).toBe('quota_exceeded')
    expect(refusal(await ask(world, wish(1, { namespace: 'none' }))).code).toBe('quota_exceeded')
    expect(await quotas(world)).toEqual([
      { namespace: 'a', used: 1, limit: 1 },
      { namespace: 'b', used: 1, limit: 1 },
      { namespace: 'none', used: 0, limit: 0 },
      { namespace: 'shop', used: 4 },
    ])
  })

  it('that is lowered takes nothing away', async () => {
    const world = await lab(QUOTA)
    reserved(await ask(world, ...many(4)))
    await terms(world, { [ANNOTATION_QUOTAS]: { shop: { addresses: 2 } } })
    expect(ipObjects(world, 'lab')).toHaveLength(4)
    expect(refusal(await ask(world, wish(9))).code).toBe('quota_exceeded')
    await terms(world, {})
    reserved(await ask(world, wish(9)))
  })

  it('is told before it is reached: in replies, dry runs and validate', async () => {
    const world = await lab(QUOTA)
    const quiet = reserved(await ask(world, ...many(3)))
    expect(quiet.flatMap(({ warnings }) => warnings)).toEqual([])
    const note = (used: number) => `quota: namespace shop has ${used} of 5 reservations in Subnet lab`
    const command = world.reserveCommand([wish(3)])
    expect((await validate(world.ports, command)).preview?.[0]?.warnings).toEqual([note(4)])
    expect(reserved(await reserve(world.ports, { ...command, dryRun: true }))[0]?.warnings).toContain(note(4))
    expect(reserved(await reserve(world.ports, command))[0]?.warnings).toEqual([note(4)])
    reserved(await ask(world, wish(4)))
    const full = await validate(world.ports, world.reserveCommand([wish(5)]))
    expect(full).toMatchObject({ allowed: false, findings: [{ code: 'quota_exceeded', field: 'namespace' }] })
  })

  it('is not kept under a key: what is refused now may be had later', async () => {
    const world = await lab({ shop: { addresses: 1 } })
    reserved(await ask(world, wish(0)))
    const keyed = world.reserveCommand([wish(1)], { idempotencyKey: 'k' })
    expect(refusal(await reserve(world.ports, keyed)).code).toBe('quota_exceeded')
    reserved(await release(world.ports, world.releaseCommand('web-0.shop')))
    reserved(await reserve(world.ports, keyed))
  })
})

describe('what a quota leaves', () => {
  it.each<readonly [object, bigint, number | undefined]>([
    [{}, 254n, undefined],
    [{ addresses: 5 }, 254n, 5],
    [{ share: 1_000 }, 254n, 25],
    [{ share: 1_250 }, 254n, 31],
    [{ share: 10_000, addresses: 7 }, 254n, 7],
    [{ share: 1, addresses: 7 }, 254n, 0],
    [{ share: 5_000, addresses: 9 }, 2n ** 64n, 9],
  ])('%j of %d is %s', (quota, usable, limit) => {
    expect(limitOf(quota, usable)).toBe(limit)
  })

  const use = { subnet: 'lab', namespace: 'shop', used: 5, usable: 254n }

  it('is nothing at the limit and beyond it', () => {
    expect(countFinding({ addresses: 6 }, use)).toBeUndefined()
    expect(countFinding({ addresses: 5 }, use)?.code).toBe('quota_exceeded')
    expect(countFinding({ addresses: 4 }, use)?.code).toBe('quota_exceeded')
  })

  it('of time is up to the longest lifetime, and none without an end', () => {
    const quota = { maxTtlSeconds: 60 }
    expect(lifetimeFinding(quota, use, 60_000)).toBeUndefined()
    expect(lifetimeFinding({}, use, undefined)).toBeUndefined()
    for (const lifetimeMs of [60_001, undefined])
      expect(lifetimeFinding(quota, use, lifetimeMs)).toMatchObject({
        code: 'quota_exceeded',
        field: 'ttlSeconds',
      })
  })

  it('is read from percentages as they are written', () => {
    const share = (text: string) => {
      const read = parseTerms({ quotas: JSON.stringify({ '*': { share: text } }) })
      return read.ok ? read.value.quotas.get('*')?.share : read.error.message
    }
    expect(['5%', '12.5%', '0.25%', '100%'].map(share)).toEqual([500, 1_250, 25, 10_000])
  })
})
