import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { Ledger } from '../../shared/ledger/ledger.ts'
import type { Sql } from '../../shared/sql.ts'
import { expectAgreement } from '../support/agreement.ts'
import { warm } from '../support/drive.ts'
import { reserved, type World } from '../support/world.ts'

/** Closed operations, each with an attempt and a key, whose day is over. */
function dayOver(world: World, count: number): void {
  const sql = world.sql()
  for (let n = 0; n < count; n++) {
    const id = `op_${String(n).padStart(22, '0')}_default~ovn-default`
    sql.run(
      `INSERT INTO op (id, kind, phase, state, driver, attempt, issued_ms, deadline_ms, next_ms, items, created_at,
         updated_at, drop_ms) VALUES (?, 'reserve', 'post', 'done', 1, 1, 1, 1, NULL, '[]', 0, 0, 1)`,
      id,
    )
    sql.run(
      `INSERT INTO attempt (op, n, driver, sent_ms, calls, outcomes) VALUES (?, 1, 1, 1, '[]', '[]')`,
      id,
    )
    sql.run(
      `INSERT INTO idempotency (tenant, key, hash, op, joined, expires_ms) VALUES ('t', ?, '', ?, 0, 1)`,
      String(n),
      id,
    )
  }
}

const left = (world: World, table: string) =>
  world.sql().first<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`)?.n ?? 0

describe('the sweep of keys and closed operations', () => {
  it('does not stop before it is through, and does not begin again at once', async () => {
    const world = await warm()
    dayOver(world, 1_700)
    await world.alarm()
    expect(left(world, 'op')).toBeGreaterThan(1_000)
    expect(world.ledger().nextAlarmMs()).toBe(world.clock.nowMs())
    await world.pass(1_000)
    for (const table of ['op', 'attempt', 'idempotency']) expect(left(world, table), table).toBeLessThan(2)
    expect(world.ledger().nextAlarmMs()).toBeGreaterThan(world.clock.nowMs() + 60_000)
    await expectAgreement(world)
  })

  it('leaves what is younger than a day', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: 'k' })))
    dayOver(world, 10)
    await world.pass(86_400_000)
    expect([left(world, 'op'), left(world, 'idempotency')]).toEqual([2, 1])
  })

  it('asks for ranges of an index: no statement of the alarm reads a table from end to end', async () => {
    const world = await warm({ quarantineMs: 300_000 })
    reserved(await reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: 'k' })))
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    dayOver(world, 10)
    const sql = world.sql()
    const asked = new Set<string>()
    const noting = <T extends 'run' | 'all' | 'first'>(verb: T): Sql[T] =>
      ((text: string, ...parameters: (string | number)[]) => {
        asked.add(text)
        return sql[verb](text, ...parameters)
      }) as Sql[T]
    const { clock, random, settings } = world
    const ledger = new Ledger({
      sql: { ...sql, run: noting('run'), all: noting('all'), first: noting('first') },
      clock,
      random,
      settings,
    })
    asked.clear()
    ledger.due()
    expect(ledger.nextAlarmMs()).toBeDefined()
    expect(left(world, 'op')).toBe(3)
    const scans = [...asked].flatMap((text) => {
      const values = Array(text.split('?').length - 1).fill(1)
      const plan = sql.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${text}`, ...values)
      return plan
        .filter(({ detail }) => /^SCAN (?!json_each|CONSTANT)/.test(detail))
        .map(({ detail }) => detail)
    })
    expect(scans).toEqual([])
    expect(asked.size).toBeGreaterThan(6)
  })
})
