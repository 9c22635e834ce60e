import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { err } from '../../shared/result.ts'
import type { Sql } from '../../shared/sql.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered } from '../support/drive.ts'
import { gatedSql } from '../support/node-sqlite.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, World } from '../support/world.ts'

/** What a Durable Object's SQLite takes: 2 MB a row, 100 parameters a statement (faults.md 49). */
const ROW_LIMIT = 2_000_000
const PARAMETER_LIMIT = 100

/** A statement beyond the limits fails, as it does in workerd. */
function limited(sql: Sql): Sql {
  const check = (parameters: readonly unknown[]) => {
    expect(parameters.length).toBeLessThanOrEqual(PARAMETER_LIMIT)
    let bytes = 0
    for (const value of parameters)
      if (typeof value === 'string') bytes += new TextEncoder().encode(value).length
    // A statement's parameters are one row, or one value.
    expect(bytes).toBeLessThan(ROW_LIMIT)
  }
  return {
    ...sql,
    run: (statement, ...parameters) => {
      check(parameters)
      return sql.run(statement, ...parameters)
    },
    all: (query, ...parameters) => {
      check(parameters)
      return sql.all(query, ...parameters)
    },
    first: (query, ...parameters) => {
      check(parameters)
      return sql.first(query, ...parameters)
    },
  }
}

function limitedWorld(): World {
  const storage = gatedSql()
  return new World({ quarantineMs: 300_000 }, { ...storage, sql: limited(storage.sql) })
}

const pods = Array.from({ length: 1_000 }, (_, n) => `pod-${n}`)
/** As long as a door lets a reason be. */
const LONG = '字'.repeat(1_024)

describe('a group of 1,000 with the longest names and reasons', () => {
  it('stays under 2 MB a row and 100 parameters a statement, bound and released', {
    timeout: 60_000,
  }, async () => {
    const world = limitedWorld()
    const reason = '字'.repeat(300)
    const items = Array.from({ length: 1_000 }, (_, n) => ({
      podName: `p${n}-${'x'.repeat(180)}.${'y'.repeat(50)}`.slice(0, 240),
      reason,
    }))
    const made = reserved(
      await reserve(world.ports, world.reserveCommand(items, { idempotencyKey: 'g', bodyHash: 'g' })),
    )
    expect(made).toHaveLength(1_000)
    const again = await reserve(
      world.ports,
      world.reserveCommand(items, { idempotencyKey: 'other', bodyHash: 'g' }),
    )
    expect(reserved(again)).toHaveLength(1_000)
    const targets = made.map(({ name }) => ({ name }))
    const gone = await answered(world, release(world.ports, world.releaseCommand('', { targets })))
    expect(reserved(gone)).toHaveLength(1_000)
    await expectAgreement(world)
  })
})

describe('a long text (fault 49)', () => {
  it('of 1.9 MB is refused before any write: no row can hold it', async () => {
    const world = limitedWorld()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'before' }])))
    const before = snapshot(world, ['idempotency'])
    const command = world.reserveCommand([{ reason: 'x'.repeat(1_950_000) }], { idempotencyKey: 'k' })
    expect(refusal(await reserve(world.ports, { ...command, dryRun: true })).code).toBe('too_large')
    expect(refusal(await reserve(world.ports, command)).code).toBe('too_large')
    expect(snapshot(world, ['idempotency'])).toEqual(before)
  })

  it('as long as an annotation can be is kept, and its reservation is released as any other', async () => {
    const world = limitedWorld()
    const wish = { podName: 'a', reason: 'x'.repeat(250_000) }
    const command = world.reserveCommand([wish], { idempotencyKey: 'k' })
    const made = await reserve(world.ports, command)
    expect(reserved(made)[0]?.reason).toHaveLength(250_000)
    expect(await reserve(world.ports, command)).toEqual(made)
    expect(reserved(await reserve(world.ports, { ...command, idempotencyKey: 'other' }))).toHaveLength(1)
    expect(reserved(await release(world.ports, world.releaseCommand('a.default')))[0]?.state).toBe(
      'quarantined',
    )
    await expectAgreement(world)
  })
})

describe('a group whose texts are too long together', { timeout: 60_000 }, () => {
  it('is refused whole before any write, each text being short enough alone', async () => {
    const world = limitedWorld()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'before' }])))
    const before = snapshot(world, ['idempotency'])
    const items = pods.map((podName) => ({ podName, reason: LONG }))
    expect(refusal(await reserve(world.ports, world.reserveCommand(items))).code).toBe('too_large')
    expect(snapshot(world, ['idempotency'])).toEqual(before)
    reserved(await reserve(world.ports, world.reserveCommand(items.slice(0, 400))))
  })

  it('because each is to carry the reason of its release is refused whole before any write', async () => {
    const world = limitedWorld()
    const made = reserved(
      await reserve(world.ports, world.reserveCommand(pods.map((podName) => ({ podName })))),
    )
    const targets = made.map(({ name }) => ({ name }))
    const before = snapshot(world, ['idempotency'])
    const command = world.releaseCommand('', { targets, reason: LONG })
    expect(refusal(await release(world.ports, { ...command, dryRun: true })).code).toBe('too_large')
    expect(refusal(await release(world.ports, command)).code).toBe('too_large')
    expect(snapshot(world, ['idempotency'])).toEqual(before)
    const { reason: _reason, ...plain } = command
    reserved(await answered(world, release(world.ports, plain)))
    await expectAgreement(world)
  })

  it('some of which cool down already is released or refused as one', async () => {
    const world = limitedWorld()
    const items = pods.map((podName) => ({ podName, reason: '字'.repeat(400) }))
    const made = reserved(await reserve(world.ports, world.reserveCommand(items)))
    const names = made.map(({ name }) => ({ name }))
    reserved(
      await answered(world, release(world.ports, world.releaseCommand('', { targets: names.slice(1) }))),
    )
    const all = await answered(world, release(world.ports, world.releaseCommand('', { targets: names })))
    expect(reserved(all)).toHaveLength(1_000)
    await expectAgreement(world)
  })

  it('that the cluster refuses at length, item by item, keeps what it can of the words', async () => {
    const world = limitedWorld()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'before' }])))
    const invalid = { reason: 'Invalid', outcome: 'refused', message: '字'.repeat(1_000) } as const
    world.intercept = async (requests) => requests.map(() => err(invalid))
    const outcome = await reserve(world.ports, world.reserveCommand(pods.map((podName) => ({ podName }))))
    const { code, findings } = refusal(outcome)
    expect([code, findings?.length]).toEqual(['invalid_field', 1_000])
    expect(findings?.[0]?.message).toMatch(/^字{50,}/)
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })
})
