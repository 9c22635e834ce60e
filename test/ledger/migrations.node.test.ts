import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { reserve } from '../../shared/command/reserve.ts'
import { Ledger, StorageTooNew } from '../../shared/ledger/ledger.ts'
import { migrate, storedVersion } from '../../shared/ledger/migrations.ts'
import { createTables, SCHEMA_VERSION } from '../../shared/ledger/schema.ts'
import { DEFAULT_SETTINGS } from '../../shared/ledger/settings.ts'
import type { Sql } from '../../shared/sql.ts'
import { expectAgreement } from '../support/agreement.ts'
import { ManualClock } from '../support/clock.ts'
import { warm } from '../support/drive.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { seededRandom } from '../support/random.ts'
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

/** Storage as version 1 wrote it: promises in every state, keys, operations open and closed. */
function versionOne(): Sql {
  const sql = nodeSql()
  const text = readFileSync(join(import.meta.dirname, '../data/ledger/version-1.sql'), 'utf8')
  for (const statement of text.split(';\n')) if (statement.trim() !== '') sql.run(statement)
  return sql
}
/** Wall time of its last transaction, when `cooling` was released and `held` was asked for. */
const WRITTEN_MS = 1_767_326_645_678

/** What tables and indexes are made of, however they came about. */
function shape(sql: Sql): unknown {
  const all = sql.all<{ type: string; name: string }>(
    `SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name`,
  )
  return all.map(({ type, name }) => [
    type,
    name,
    sql.all(
      type === 'table'
        ? `SELECT name, type, "notnull", pk FROM pragma_table_info('${name}') ORDER BY name`
        : `SELECT name FROM pragma_index_info('${name}')`,
    ),
  ])
}

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

describe('storage of version 1', () => {
  const open = (sql: Sql, clock = new ManualClock(WRITTEN_MS)) =>
    new Ledger({ sql, clock, random: seededRandom(2), settings: DEFAULT_SETTINGS })
  const ask = (podName: string, v4IpAddress: string) => ({
    tenant: 'anonymous',
    key: podName,
    bodyHash: JSON.stringify([{ subnet: 'lab', podName, v4IpAddress }]),
    items: [{ namespace: 'default', podName, podType: '', v4IpAddress }],
    dryRun: false,
  })

  it('has the shape of new storage afterwards', () => {
    const old = versionOne()
    migrate(old)
    const fresh = nodeSql()
    migrate(fresh)
    expect(shape(old)).toEqual(shape(fresh))
    expect(storedVersion(old)).toBe(SCHEMA_VERSION)
  })

  it('is migrated or untouched, wherever the process dies', () => {
    for (let n = 0; ; n++) {
      const sql = versionOne()
      const before = contents(sql)
      try {
        migrate(dyingSql(sql, n).sql)
      } catch (error) {
        expect(error).toBeInstanceOf(Killed)
        expect(contents(sql), `at statement ${n}`).toEqual(before)
        migrate(sql)
        expect(storedVersion(sql)).toBe(SCHEMA_VERSION)
        continue
      }
      expect(n).toBeGreaterThan(10)
      return
    }
  })

  it('keeps every promise', async () => {
    const ledger = open(versionOne())
    const { leases } = await ledger.page({}, ['', ''], 100)
    expect(leases.filter(({ contested }) => contested).map(({ name }) => name)).toEqual(['gateway.default'])
    expect(leases.map(({ name, state, v4 }) => [name, state, v4])).toEqual([
      ['bound.default', 'bound', '10.30.1.10'],
      ['cooling.default', 'quarantined', '10.30.1.30'],
      ['gateway.default', 'bound', '10.30.1.20'],
      ['held.default', 'held', '10.30.1.40'],
      ['stranded.default', 'stranded', '10.30.1.200'],
    ])
  })

  it('answers its keys as before, through a day of which an hour was over, and through a jump', async () => {
    const clock = new ManualClock(WRITTEN_MS)
    const ledger = open(versionOne(), clock)
    const bound = ask('bound', '10.30.1.10')
    const first = await ledger.hold(bound)
    expect(first).toMatchObject({ answer: { kind: 'done', created: true } })
    const refused = await ledger.hold(ask('refused', '10.99.0.1'))
    expect(refused).toMatchObject({ answer: { problem: { code: 'out_of_range' } } })
    clock.jump(315_360_000_000)
    for (let passedMs = 0; passedMs < 22 * 3_600_000; passedMs += 600_000) {
      clock.advance(600_000)
      ledger.due()
    }
    expect(await ledger.hold(bound)).toEqual(first)
    expect(await ledger.hold(ask('refused', '10.99.0.1'))).toEqual(refused)
    for (let passedMs = 0; passedMs < 2 * 3_600_000; passedMs += 600_000) {
      clock.advance(600_000)
      ledger.due()
    }
    // The day of these is over; those of the last hour have one left.
    expect(await ledger.locate([], { tenant: 'anonymous', key: 'bound', bodyHash: '' })).toEqual({
      leases: [],
    })
    expect(await ledger.locate([], { tenant: 'anonymous', key: 'release', bodyHash: '' })).toMatchObject({
      mismatch: true,
    })
  })

  it('contests a promise the gateway was moved onto no longer than it is there', async () => {
    const ledger = open(versionOne())
    const facts = (await ledger.view())?.facts
    if (!facts) throw new Error('no facts')
    expect((await ledger.configure({ ...facts, gateway: '10.30.1.1', resourceVersion: '99' })).ok).toBe(true)
    expect(await ledger.find('gateway.default')).toMatchObject({ contested: false })
  })

  it('goes on with what was open: the reserve has its driver, the cool-down its time', async () => {
    const clock = new ManualClock(WRITTEN_MS)
    const ledger = open(versionOne(), clock)
    const [op] = ledger.due()
    expect(op && ledger.takeOver(op)).toMatchObject({
      leases: [{ name: 'held.default' }],
      next: { kind: 'send', driver: 2, calls: [{ verb: 'create' }] },
    })
    for (let passedMs = 0; passedMs < DEFAULT_SETTINGS.quarantineMs; passedMs += 5_000) {
      expect(await ledger.find('cooling.default')).toMatchObject({ state: 'quarantined' })
      clock.advance(5_000)
      ledger.due()
    }
    clock.advance(5_000)
    ledger.due()
    for (let n = 0; n < 4; n++, clock.advance(5_000)) ledger.due()
    expect(await ledger.find('cooling.default')).toBeUndefined()
  })
})
