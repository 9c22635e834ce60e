import { describe, expect, it } from 'vitest'
import { reserve } from '../../shared/command/reserve.ts'
import { Ledger, StorageTooNew } from '../../shared/ledger/ledger.ts'
import { migrate, storedVersion } from '../../shared/ledger/migrations.ts'
import { createTables, SCHEMA_VERSION } from '../../shared/ledger/schema.ts'
import type { Sql } from '../../shared/sql.ts'
import { expectAgreement } from '../support/agreement.ts'
import { warm } from '../support/drive.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { snapshot } from '../support/snapshot.ts'
import { Killed, reserved } from '../support/world.ts'

/** Steps as later versions will have them: a column, a table filled from rows, an index. */
const LATER = [
  (sql: Sql) => {
    sql.run(`ALTER TABLE lease ADD COLUMN zone TEXT NOT NULL DEFAULT ''`)
    sql.run(`UPDATE lease SET zone = namespace`)
  },
  (sql: Sql) => {
    sql.run(`CREATE TABLE zone (name TEXT PRIMARY KEY, leases INTEGER NOT NULL)`)
    sql.run(`INSERT INTO zone SELECT zone, COUNT(*) FROM lease GROUP BY zone`)
    sql.run(`CREATE INDEX lease_zone ON lease (zone)`)
  },
]
const TARGET = SCHEMA_VERSION + LATER.length
/** Steps from version 1 to TARGET, whatever the present version is. */
const STEPS = [...Array(SCHEMA_VERSION - 1).fill(() => {}), ...LATER]

/** Every table's definition and rows. */
function contents(sql: Sql): unknown {
  const definitions = sql.all<{ name: string; sql: string; type: string }>(
    `SELECT name, sql, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name`,
  )
  const tables = definitions.filter(({ type }) => type === 'table')
  return { definitions, rows: tables.map(({ name }) => [name, sql.all(`SELECT * FROM ${name}`)]) }
}

/** Throws at write number `n` (from 0); the process is gone. */
function dyingSql(sql: Sql, n: number): { sql: Sql; writes: () => number } {
  let writes = 0
  const dying: Sql = {
    ...sql,
    run: (statement, ...parameters) => {
      if (writes++ === n) throw new Killed(statement)
      return sql.run(statement, ...parameters)
    },
  }
  return { sql: dying, writes: () => writes }
}

/** Storage of the present version with a row in it. */
function present(): Sql {
  const sql = nodeSql()
  migrate(sql)
  sql.run(
    `INSERT INTO lease (nic, id, namespace, pod_name, pod_type, mac, pool, state, bit, contested, epoch, op, origin,
       origin_epoch, created_at) VALUES ('a.b', 'res_1', 'b', 'a', '', '00:00:00:00:00:01', '', 'bound', 1, 0, 1,
       'op_1', 'op_1', 1, 0)`,
  )
  return sql
}

describe('a migration', () => {
  it('goes forward through every version in one transaction', () => {
    const sql = present()
    expect(migrate(sql, STEPS, TARGET)).toEqual({ ok: true, value: { created: false } })
    expect(storedVersion(sql)).toBe(TARGET)
    expect(sql.all(`SELECT * FROM zone`)).toEqual([{ name: 'b', leases: 1 }])
    expect(migrate(sql, STEPS, TARGET)).toEqual({ ok: true, value: { created: false } })
  })

  it('cut short at any statement leaves the storage untouched, and goes through the next time', () => {
    for (let n = 0; ; n++) {
      const sql = present()
      const before = contents(sql)
      const dying = dyingSql(sql, n)
      try {
        migrate(dying.sql, STEPS, TARGET)
      } catch (error) {
        expect(error).toBeInstanceOf(Killed)
        expect(contents(sql), `at statement ${n}`).toEqual(before)
        expect(migrate(sql, STEPS, TARGET).ok).toBe(true)
        expect(storedVersion(sql)).toBe(TARGET)
        continue
      }
      expect(n).toBe(6)
      return
    }
  })

  it('of nothing to the first tables, cut short anywhere, leaves nothing', () => {
    for (let n = 0; ; n++) {
      const sql = nodeSql()
      const dying = dyingSql(sql, n)
      try {
        migrate(dying.sql)
      } catch (error) {
        expect(error).toBeInstanceOf(Killed)
        expect(contents(sql)).toEqual({ definitions: [], rows: [] })
        continue
      }
      expect(n).toBeGreaterThan(10)
      expect(storedVersion(sql)).toBe(SCHEMA_VERSION)
      return
    }
  })

  it('that is missing is a defect that changes nothing', () => {
    const sql = present()
    const before = contents(sql)
    expect(() => migrate(sql, STEPS, TARGET + 1)).toThrow(/no migration/)
    expect(contents(sql)).toEqual(before)
  })

  it('of tables without a version is a defect, not a fresh start', () => {
    const sql = nodeSql()
    createTables(sql)
    expect(() => migrate(sql)).toThrow(/no schema version/)
  })
})

describe('storage newer than the code', () => {
  it('is refused, and nothing is written', async () => {
    const world = await warm()
    world.damage(`UPDATE meta SET value = '999' WHERE key = 'schema'`)
    const before = snapshot(world)
    const { random, settings } = world
    const open = () => new Ledger({ sql: world.sql(), clock: world.clock, random, settings })
    expect(open).toThrow(StorageTooNew)
    expect(open).toThrow(/version 999/)
    expect(snapshot(world)).toEqual(before)
    world.damage(`UPDATE meta SET value = '${SCHEMA_VERSION}' WHERE key = 'schema'`)
    world.restart()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    await expectAgreement(world)
  })
})
