import { expect, it } from 'vitest'
import { RepairRate } from '../../shared/ledger/repair.ts'

const used = (nowMs: number) => {
  const rate = new RepairRate()
  expect(Array.from({ length: 10 }, () => rate.take(nowMs))).toEqual(Array.from({ length: 10 }))
  return rate
}

it('ten at once, then one every six seconds, and never more than ten are saved up', () => {
  const rate = used(1_000_000)
  expect(rate.take(1_001_500)).toBe(4_500)
  expect([rate.take(1_006_000), rate.take(1_006_000)]).toEqual([undefined, 6_000])
  for (let n = 0; n < 10; n++) expect(rate.take(9_000_000)).toBeUndefined()
  expect(rate.take(9_000_000)).toBe(6_000)
})

it('a clock that jumps back neither gives nor takes any', () => {
  const rate = used(1_000_000)
  expect([rate.take(0), rate.take(6_000)]).toEqual([6_000, undefined])
})
