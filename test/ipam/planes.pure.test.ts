import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BitPlane } from '../../shared/ipam/bitmap.ts'
import type { Plane } from '../../shared/ipam/plane.ts'
import { RangeSet } from '../../shared/ipam/range.ts'
import { RunPlane } from '../../shared/ipam/runs.ts'

/** A plane with addresses as small numbers, whatever it uses. */
interface Small {
  readonly plane: Plane<number> | Plane<bigint>
  readonly size: number
  call<R>(run: (plane: Plane<number | bigint>, at: (n: number) => number | bigint) => R): R
}

const BASE4 = 0x0a000000
const BASE6 = 0xfd00n << 112n

function bits(prefix: number, from: number, to: number): Small {
  const plane = new BitPlane(BASE4, prefix, RangeSet.single(BASE4 + from, BASE4 + to))
  return { plane, size: 2 ** (32 - prefix), call: (run) => run(plane as never, (n) => BASE4 + n) }
}

function runs(size: number, from: number, to: number): Small {
  const plane = new RunPlane(RangeSet.single(BASE6 + BigInt(from), BASE6 + BigInt(to)))
  return { plane, size, call: (run) => run(plane as never, (n) => BASE6 + BigInt(n)) }
}

/** Lowest run by looking at every member. */
function slowRun(
  members: ReadonlySet<number>,
  size: number,
  length: number,
  aligned: boolean,
): number | undefined {
  for (let start = 0; start + length <= size; start += aligned ? length : 1) {
    let n = 0
    while (n < length && members.has(start + n)) n++
    if (n === length) return start
  }
  return undefined
}

function compare(
  small: Small,
  from: number,
  to: number,
  flips: readonly number[],
  lengths: readonly number[],
): void {
  const members = new Set<number>()
  for (let n = from; n <= to; n++) members.add(n)
  small.call((plane, at) => {
    const back = (address: number | bigint | undefined) =>
      address === undefined ? undefined : Number(BigInt(address) - BigInt(at(0)))
    for (const [i, n] of flips.entries()) {
      const had = members.has(n)
      expect(plane.has(at(n))).toBe(had)
      expect(had ? plane.clear(at(n)) : plane.set(at(n))).toBe(true)
      expect(had ? plane.clear(at(n)) : plane.set(at(n))).toBe(false)
      if (had) members.delete(n)
      else members.add(n)
      if (i % 7 !== 0) continue
      for (const length of lengths) {
        expect(back(plane.run(length, false))).toBe(slowRun(members, small.size, length, false))
        const block = 2 ** Math.floor(Math.log2(length))
        expect(back(plane.run(block, true))).toBe(slowRun(members, small.size, block, true))
      }
      const above = [...members].filter((m) => m >= n)
      expect(back(plane.next(at(n)))).toBe(above.length === 0 ? undefined : Math.min(...above))
    }
    expect(plane.count).toBe(BigInt(members.size))
    expect(back(plane.next())).toBe(members.size === 0 ? undefined : Math.min(...members))
    const listed = [...plane.ranges()].flatMap((range) => {
      const out: number[] = []
      for (let n = back(range.from)!; n <= back(range.to)!; n++) out.push(n)
      return out
    })
    expect(listed).toEqual([...members].sort((a, b) => a - b))
  })
}

describe('planes agree with a set', () => {
  const flips = (size: number) => fc.array(fc.nat(size - 1), { maxLength: 120 })
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 })

  it.each([27, 28, 30, 24, 22, 20])('bitmap of a /%i', (prefix) => {
    const size = 2 ** (32 - prefix)
    fc.assert(
      fc.property(fc.nat(size - 1), fc.nat(size - 1), flips(size), lengths, (a, b, some, sizes) =>
        compare(bits(prefix, Math.min(a, b), Math.max(a, b)), Math.min(a, b), Math.max(a, b), some, sizes),
      ),
      { numRuns: prefix < 24 ? 12 : 60, seed: prefix },
    )
  })

  it.each([4, 64, 1000])('runs of %i addresses', (size) => {
    fc.assert(
      fc.property(fc.nat(size - 1), fc.nat(size - 1), flips(size), lengths, (a, b, some, sizes) =>
        compare(runs(size, Math.min(a, b), Math.max(a, b)), Math.min(a, b), Math.max(a, b), some, sizes),
      ),
      { numRuns: 60, seed: size },
    )
  })

  it('runs split into blocks and come together again', () => {
    const plane = new RunPlane(RangeSet.single(BASE6, BASE6 + 9_999n))
    for (let n = 1n; n < 10_000n; n += 2n) plane.clear(BASE6 + n)
    expect(plane.count).toBe(5_000n)
    expect([...plane.ranges()].length).toBe(5_000)
    expect(plane.takePages().length).toBeGreaterThan(9)
    expect(plane.run(2, false)).toBeUndefined()
    for (let n = 9_999n; n > 0n; n -= 2n) plane.set(BASE6 + n)
    expect([...plane.ranges()]).toEqual([{ from: BASE6, to: BASE6 + 9_999n }])
  })

  it('a bitmap of several pages finds runs across their borders', () => {
    const border = BASE4 + 2 ** 18
    const plane = new BitPlane(BASE4, 10, RangeSet.empty())
    for (let n = -8; n < 8; n++) plane.set(border + n)
    expect(plane.run(16, false)).toBe(border - 8)
    expect(plane.run(17, false)).toBeUndefined()
    expect(plane.run(8, true)).toBe(border - 8)
    expect(plane.run(16, true)).toBeUndefined()
    for (let n = 8; n < 16; n++) plane.set(border + n)
    expect(plane.run(16, true)).toBe(border)
    expect([...plane.ranges()]).toEqual([{ from: border - 8, to: border + 15 }])
  })

  it('a fresh /8 and a fresh /64 touch nothing', () => {
    const v4 = new BitPlane(0x0a000000, 8, RangeSet.single(0x0a000002, 0x0afffffe))
    expect(v4.count).toBe(2n ** 24n - 3n)
    expect(v4.run(2 ** 20, true)).toBe(0x0a100000)
    expect(v4.run(2 ** 23, false)).toBe(0x0a000002)
    const v6 = new RunPlane(RangeSet.single(BASE6 + 1n, BASE6 + 2n ** 64n - 2n))
    expect(v6.count).toBe(2n ** 64n - 2n)
    expect(v6.run(2 ** 20, true)).toBe(BASE6 + 2n ** 20n)
  })
})
