import { expect, it } from 'vitest'
import { SerialTable } from '../../../shared/command/dns/serials.ts'
import { nodeSql } from '../../support/node-sqlite.ts'

function table(nowMs = 1_800_000_000_000) {
  const clock = { ms: nowMs, nowMs: () => clock.ms }
  const sql = nodeSql()
  return { clock, sql, serials: new SerialTable(sql, clock) }
}

it('a serial is the time in seconds, and stays while the content does', () => {
  const { clock, serials, sql } = table()
  expect(serials.serial('a', 'x')).toBe(1_800_000_000)
  clock.ms += 5_000
  expect(serials.serial('a', 'x')).toBe(1_800_000_000)
  expect(new SerialTable(sql, clock).serial('a', 'x')).toBe(1_800_000_000)
  expect(serials.serial('a', 'y')).toBe(1_800_000_005)
})

it('a serial grows within a second, and over a clock that was set back', () => {
  const { clock, serials } = table()
  const seen = ['x', 'y', 'x', 'y'].map((content) => serials.serial('a', content))
  expect(seen).toEqual([0, 1, 2, 3].map((n) => 1_800_000_000 + n))
  clock.ms = 1_000
  expect(serials.serial('a', 'z')).toBe(1_800_000_004)
  expect(serials.serial('b', 'z')).toBe(1)
})

it('a thousand zones are remembered; the one unchanged for longest is forgotten', () => {
  const { clock, serials, sql } = table()
  for (let n = 0; n <= 1_000; n++) {
    clock.ms += 1_000
    serials.serial(`zone-${n}`, 'x')
  }
  const keys = sql.all<{ key: string }>(`SELECT key FROM dns_zone`).map(({ key }) => key)
  expect(keys).toHaveLength(1_000)
  expect(keys).not.toContain('zone-0')
  expect(keys).toContain('zone-1')
})
