import type { PlaneSource } from './bitmap.ts'
import { decodeData, decodeHead, encodePage, getUint128, PAGE_RUNS, PageError, setUint128 } from './page.ts'
import type { Plane } from './plane.ts'
import { type Range, RangeSet } from './range.ts'
import { readVarints, writeVarints } from './varint.ts'

/** Runs in a block before it splits in two; also the most a page holds. */
const BLOCK_RUNS = 512

/** Some neighbouring runs: `starts[i]..ends[i]`, ascending, never touching. Either in memory or in the store. */
interface Block {
  readonly id: number
  first: bigint
  last: bigint
  population: bigint
  longest: bigint
  /** `longest` has to be looked up again. */
  stale: boolean
  starts: bigint[] | undefined
  ends: bigint[]
}

/**
 * A plane of an IPv6 CIDR: ascending runs of members in blocks (a two-level B-tree), so that an untouched /64 is one
 * run, a densely used one a handful, and a scattered one two bigints an address. A block is a page of the store.
 */
export class RunPlane implements Plane<bigint> {
  private readonly source: PlaneSource | undefined
  private blocks: Block[] = []
  private population = 0n
  private nextId = 0
  private readonly stored = new Set<number>()
  private changed = new Set<number>()
  /** Blocks split or gone since `settled`: an undo restores members, not blocks, so these stay changed. */
  private readonly reshaped = new Set<number>()
  /** No page of this plane was ever written: the first change writes them all. */
  private implicit: boolean

  /** @param base the members if the source holds no page of this plane @throws PageError */
  constructor(base: RangeSet<bigint>, source?: PlaneSource) {
    this.source = source
    this.implicit = source === undefined || source.heads.size === 0
    if (this.implicit) this.layOut(base.ranges)
    else for (const [index, bytes] of source!.heads) this.openHead(Number(index), bytes)
    this.blocks.sort((a, b) => (a.first < b.first ? -1 : 1))
  }

  private layOut(ranges: readonly Range<bigint>[]): void {
    for (let i = 0; i < ranges.length || i === 0; i += BLOCK_RUNS) {
      const part = ranges.slice(i, i + BLOCK_RUNS)
      const block = this.newBlock(
        part.map((range) => range.from),
        part.map((range) => range.to),
      )
      this.blocks.push(block)
      this.population += block.population
    }
  }

  private newBlock(starts: bigint[], ends: bigint[]): Block {
    let population = 0n
    for (let i = 0; i < starts.length; i++) population += ends[i]! - starts[i]! + 1n
    const first = starts[0] ?? 0n
    return {
      id: this.nextId++,
      first,
      last: ends.at(-1) ?? 0n,
      population,
      longest: 0n,
      stale: true,
      starts,
      ends,
    }
  }

  private openHead(id: number, bytes: Uint8Array): void {
    const { view } = decodeHead(this.source!.key(String(id)), bytes, PAGE_RUNS, 6)
    const population = getUint128(view, 24)
    this.blocks.push({
      id,
      first: getUint128(view, 40),
      last: getUint128(view, 56),
      population,
      longest: getUint128(view, 72),
      stale: false,
      starts: undefined,
      ends: [],
    })
    this.population += population
    this.stored.add(id)
    this.nextId = Math.max(this.nextId, id + 1)
  }

  get count(): bigint {
    return this.population
  }

  get isEmpty(): boolean {
    return this.population === 0n
  }

  /** Index of the last block that starts at or below the address, 0 if none does. */
  private find(address: bigint): number {
    let low = 0
    let high = this.blocks.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.blocks[middle]!.first <= address) low = middle
      else high = middle
    }
    return low
  }

  /** Index of the last run in the block that starts at or below the address, -1 if none. */
  private static findRun(starts: readonly bigint[], address: bigint): number {
    let low = -1
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (starts[middle]! <= address) low = middle
      else high = middle
    }
    return low
  }

  private load(block: Block): bigint[] {
    if (block.starts !== undefined) return block.starts
    const key = this.source!.key(String(block.id))
    const bytes = this.source!.load(String(block.id))
    const head = decodeHead(key, bytes ?? new Uint8Array(), PAGE_RUNS, 6)
    const gaps = readVarints(decodeData(key, bytes, head))
    if (gaps.length !== 2 * head.size)
      throw new PageError(`page ${key}: ${gaps.length / 2} runs, not ${head.size}`)
    const starts: bigint[] = []
    let at = 0n
    for (let i = 0; i < gaps.length; i += 2) {
      starts.push(at + gaps[i]!)
      at += gaps[i]! + gaps[i + 1]!
      block.ends.push(at)
    }
    block.starts = starts
    return starts
  }

  has(address: bigint): boolean {
    const block = this.blocks[this.find(address)]!
    if (block.population === 0n || address < block.first || address > block.last) return false
    const run = RunPlane.findRun(this.load(block), address)
    return run >= 0 && address <= block.ends[run]!
  }

  set(address: bigint): boolean {
    const at = this.find(address)
    const block = this.blocks[at]!
    const starts = this.load(block)
    const i = RunPlane.findRun(starts, address)
    if (i >= 0 && address <= block.ends[i]!) return false
    this.touch(block)
    this.population++
    const touchesLow = i >= 0 && block.ends[i]! + 1n === address
    const above = i + 1 < starts.length ? block : this.blocks[at + 1]
    const aboveRun = above === block ? i + 1 : 0
    const touchesHigh =
      above !== undefined && (above === block ? starts[i + 1] : above.first) === address + 1n
    if (touchesHigh) this.growDown(at, above, aboveRun, touchesLow ? i : -1, address)
    else if (touchesLow) block.ends[i] = address
    else {
      starts.splice(i + 1, 0, address)
      block.ends.splice(i + 1, 0, address)
    }
    if (!touchesHigh) {
      block.population++
      this.refit(block)
      if (starts.length > BLOCK_RUNS) this.split(at)
    }
    return true
  }

  /** Extends a run down to `address`, swallowing the run `low` of block `at` if that touches too. */
  private growDown(at: number, above: Block, aboveRun: number, low: number, address: bigint): void {
    this.touch(above)
    const aboveStarts = this.load(above)
    let from = address
    let run = aboveRun
    if (low >= 0) {
      const block = this.blocks[at]!
      from = block.starts![low]!
      block.population -= address - from
      this.splice(at, low)
      if (block === above) run--
    }
    above.population += aboveStarts[run]! - from
    aboveStarts[run] = from
    this.refit(above)
  }

  clear(address: bigint): boolean {
    const at = this.find(address)
    const block = this.blocks[at]!
    if (block.population === 0n || address < block.first || address > block.last) return false
    const starts = this.load(block)
    const i = RunPlane.findRun(starts, address)
    if (i < 0 || address > block.ends[i]!) return false
    this.touch(block)
    this.population--
    block.population--
    const from = starts[i]!
    const to = block.ends[i]!
    if (from === to) return this.splice(at, i)
    if (address === from) starts[i] = address + 1n
    else {
      block.ends[i] = address - 1n
      if (address < to) {
        starts.splice(i + 1, 0, address + 1n)
        block.ends.splice(i + 1, 0, to)
      }
    }
    this.refit(block)
    if (starts.length > BLOCK_RUNS) this.split(at)
    return true
  }

  /** Removes a run of a block; an emptied block goes, unless it is the only one. */
  private splice(at: number, run: number): true {
    const block = this.blocks[at]!
    block.starts!.splice(run, 1)
    block.ends.splice(run, 1)
    if (block.ends.length === 0 && this.blocks.length > 1) {
      this.blocks.splice(at, 1)
      this.reshaped.add(block.id)
    } else this.refit(block)
    return true
  }

  private refit(block: Block): void {
    block.first = block.starts![0] ?? 0n
    block.last = block.ends.at(-1) ?? 0n
    block.stale = true
  }

  private split(at: number): void {
    const block = this.blocks[at]!
    const half = BLOCK_RUNS >>> 1
    const upper = this.newBlock(block.starts!.splice(half), block.ends.splice(half))
    block.population -= upper.population
    this.refit(block)
    this.blocks.splice(at + 1, 0, upper)
    for (const id of [block.id, upper.id]) {
      this.changed.add(id)
      this.reshaped.add(id)
    }
  }

  private touch(block: Block): void {
    if (this.implicit) {
      this.implicit = false
      for (const each of this.blocks) this.changed.add(each.id)
    }
    this.changed.add(block.id)
  }

  next(from?: bigint): bigint | undefined {
    if (this.population === 0n) return undefined
    if (from === undefined || from <= this.blocks[0]!.first) return this.blocks[0]!.first
    const at = this.find(from)
    const block = this.blocks[at]!
    if (from > block.last) return this.blocks[at + 1]?.first
    const starts = this.load(block)
    const i = RunPlane.findRun(starts, from)
    return i >= 0 && from <= block.ends[i]! ? from : starts[i + 1]
  }

  run(length: number, aligned: boolean): bigint | undefined {
    const n = BigInt(length)
    for (const block of this.blocks) {
      if (block.stale) this.measure(block)
      if (block.longest < n) continue
      const starts = this.load(block)
      for (let i = 0; i < starts.length; i++) {
        const from = aligned ? ((starts[i]! + n - 1n) / n) * n : starts[i]!
        if (block.ends[i]! - from + 1n >= n) return from
      }
    }
    return undefined
  }

  private measure(block: Block): void {
    const starts = this.load(block)
    let longest = 0n
    for (let i = 0; i < starts.length; i++) {
      const length = block.ends[i]! - starts[i]! + 1n
      if (length > longest) longest = length
    }
    block.longest = longest
    block.stale = false
  }

  plus(address: bigint, step: number): bigint {
    return address + BigInt(step)
  }

  *ranges(): Iterable<Range<bigint>> {
    for (const block of this.blocks) {
      const starts = this.load(block)
      for (let i = 0; i < starts.length; i++) yield { from: starts[i]!, to: block.ends[i]! }
    }
  }

  moveAllTo(target: Plane<bigint>): void {
    const into = target as RunPlane
    const moved = RangeSet.of([...into.ranges(), ...this.ranges()])
    this.assign(RangeSet.empty())
    into.assign(moved)
  }

  assign(members: RangeSet<bigint>): void {
    this.touch(this.blocks[0]!)
    const before = this.blocks
    this.blocks = []
    this.population = 0n
    this.layOut(members.ranges)
    for (const { id } of [...before, ...this.blocks]) {
      this.changed.add(id)
      this.reshaped.add(id)
    }
  }

  dirty(): readonly string[] {
    return [...this.changed].map(String)
  }

  restoreDirty(indexes: readonly string[]): void {
    this.changed = new Set([...indexes.map(Number), ...this.reshaped])
  }

  settled(): void {
    this.reshaped.clear()
  }

  takePages(): { index: string; bytes: Uint8Array | null }[] {
    const live = new Map(this.blocks.map((block) => [block.id, block]))
    const taken: { index: string; bytes: Uint8Array | null }[] = []
    for (const id of this.changed) {
      const block = live.get(id)
      if (block !== undefined) taken.push({ index: String(id), bytes: this.encode(block) })
      else if (this.stored.has(id)) taken.push({ index: String(id), bytes: null })
      if (block !== undefined) this.stored.add(id)
    }
    this.changed.clear()
    return taken
  }

  private encode(block: Block): Uint8Array {
    if (block.stale) this.measure(block)
    const starts = this.load(block)
    const gaps: bigint[] = []
    let at = 0n
    for (let i = 0; i < starts.length; i++) {
      gaps.push(starts[i]! - at, block.ends[i]! - starts[i]!)
      at = block.ends[i]!
    }
    return encodePage(PAGE_RUNS, 6, starts.length, writeVarints(gaps), (view) => {
      setUint128(view, 24, block.population)
      setUint128(view, 40, block.first)
      setUint128(view, 56, block.last)
      setUint128(view, 72, block.longest)
    })
  }

  storedPages(): readonly string[] {
    return [...this.stored].map(String)
  }
}
