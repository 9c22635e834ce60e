import { beforeEach, describe, expect, it } from 'vitest'
import { type ApiKey, KeyTable } from '../../shared/access/keys.ts'
import { SLOW } from '../../shared/elapsed.ts'
import { ManualClock } from '../support/clock.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const HASH = new Uint8Array(32).fill(7)
const KEY: ApiKey = {
  id: '0123456789abcdef',
  name: 'pipeline',
  tenant: 'team-a',
  grants: [{ verbs: ['reserve'], subnets: ['*'], namespaces: ['a'] }],
  madeBy: 'admin',
  createdAt: 1_000,
}

const HOUR_MS = 3_600_000
let clock: ManualClock
let doubts: number[]

beforeEach(() => {
  clock = new ManualClock(1_000)
  doubts = []
})

const over = (sql = nodeSql()) => new KeyTable(sql, clock, (stepMs) => doubts.push(stepMs))

function tableWith(key: Partial<ApiKey> = {}) {
  const table = over()
  table.add({ ...KEY, ...key }, HASH)
  return table
}

const opens = (table: KeyTable) => table.check(KEY.id, HASH) !== undefined

/** Time passes with a look as often as the alarm has one. */
function pass(table: KeyTable, ms: number): void {
  for (let left = ms; left > 0; left -= SLOW.lookEveryMs) {
    clock.advance(Math.min(left, SLOW.lookEveryMs))
    table.look()
  }
}

it('opens for its hash', () => expect(tableWith().check(KEY.id, HASH)).toEqual(KEY))

it.each([
  ['another hash', KEY.id, new Uint8Array(32).fill(8), 2_000],
  ['half a hash', KEY.id, HASH.slice(0, 16), 2_000],
  ['another id', 'fedcba9876543210', HASH, 2_000],
  ['the hash of no key', 'fedcba9876543210', new Uint8Array(32), 2_000],
  ['the hour it expires', KEY.id, HASH, 5_000],
])('stays shut for %s', (_, id, hash, nowMs) => {
  const table = tableWith({ expiresAt: 5_000 })
  clock.advance(nowMs - 1_001)
  expect(opens(table)).toBe(true)
  clock.advance(1)
  expect(table.check(id, hash)).toBeUndefined()
})

describe('a wall clock that is set', () => {
  const expiring = () => tableWith({ expiresAt: 1_000 + 4 * HOUR_MS })

  it('back, does not lengthen a key, and is noticed', () => {
    const table = expiring()
    pass(table, 2 * HOUR_MS)
    clock.jump(-365 * 24 * HOUR_MS)
    table.look()
    pass(table, 2 * HOUR_MS - 1)
    expect(opens(table)).toBe(true)
    pass(table, 1)
    expect(opens(table)).toBe(false)
    expect(doubts).toEqual([-365 * 24 * HOUR_MS])
  })

  it('on, shuts a key while it is wrong and does not shorten it, and is noticed', () => {
    const table = expiring()
    pass(table, HOUR_MS)
    clock.jump(24 * HOUR_MS)
    expect(opens(table)).toBe(false)
    clock.jump(-24 * HOUR_MS)
    expect(opens(table)).toBe(true)
    pass(table, 3 * HOUR_MS - SLOW.doubtedMs - 1)
    expect(opens(table)).toBe(true)
    pass(table, SLOW.doubtedMs + 1)
    expect(opens(table)).toBe(false)
    expect(doubts).toEqual([24 * HOUR_MS, -24 * HOUR_MS])
  })

  it('by a hair, is being disciplined', () => {
    const table = expiring()
    clock.jump(-900)
    table.look()
    expect(doubts).toEqual([])
  })
})

it('what has passed outlives the process', () => {
  const sql = nodeSql()
  over(sql).add({ ...KEY, expiresAt: 1_000 + HOUR_MS }, HASH)
  pass(over(sql), HOUR_MS - 1)
  clock.jump(-24 * HOUR_MS)
  expect(opens(over(sql))).toBe(true)
  clock.advance(1)
  expect(opens(over(sql))).toBe(false)
})

it('time is looked at while a key has its end before it', () => {
  expect(tableWith().nextLookMs()).toBeUndefined()
  const table = tableWith({ expiresAt: 5_000 })
  expect(table.nextLookMs()).toBe(1_000 + SLOW.lookEveryMs)
  clock.advance(4_000)
  expect(table.nextLookMs()).toBeUndefined()
})

it('keys of a version without elapsed time keep what they have left', () => {
  const sql = nodeSql()
  sql.run(`CREATE TABLE api_key (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL, grants TEXT NOT NULL,
    made_by TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER) WITHOUT ROWID`)
  const insert = (id: string, expiresAt: number | null) =>
    sql.run(`INSERT INTO api_key VALUES (?, ?, 'n', 't', '[]', 'admin', 0, ?, NULL)`, id, HASH, expiresAt)
  insert(KEY.id, 5_000)
  insert('fedcba9876543210', null)
  const table = over(sql)
  clock.jump(-HOUR_MS)
  table.look()
  clock.advance(3_999)
  expect(opens(table)).toBe(true)
  clock.advance(1)
  expect(opens(table)).toBe(false)
  expect(table.check('fedcba9876543210', HASH)).toBeDefined()
})

it('revoked, stays shut, stays listed, and tells when it ended', () => {
  const table = tableWith()
  clock.advance(2_000)
  expect(table.revoke(KEY.id)).toMatchObject({ revokedAt: 3_000 })
  clock.advance(1_000)
  expect(table.revoke(KEY.id)).toMatchObject({ revokedAt: 3_000 })
  expect(opens(table)).toBe(false)
  expect(table.list('', 10)).toEqual([{ ...KEY, revokedAt: 3_000 }])
  expect(table.revoke('fedcba9876543210')).toBeUndefined()
})

it('holds no secret in its rows', () => {
  const sql = nodeSql()
  over(sql).add(KEY, HASH)
  const columns = Object.keys(sql.first(`SELECT * FROM api_key`) ?? {})
  expect(columns).not.toContain('secret')
})
