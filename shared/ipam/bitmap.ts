import { BitPage, PAGE_SHIFT } from './bit-page.ts'
import { decodeData, decodeHead, PAGE_BITMAP, PageError, sealPage } from './page.ts'
import type { Plane } from './plane.ts'
import type { Range, RangeSet } from './range.ts'
import { type RunSummary, RunTree } from './run-tree.ts'

/** Where a plane's own pages come from: heads by index, bodies on demand. */
export interface PlaneSource {
  readonly heads: ReadonlyMap<string, Uint8Array>
  load(index: string): Uint8Array | undefined
  /** For messages. */
  key(index: string): string
}

/**
 * A plane of an IPv4 CIDR: flat bitmap in pages of 2^18 bits. A page nobody touched is not there: its content is what
 * `base` says (a fresh /8 costs nothing), or what the store holds and will give when it is touched.
 */
export class BitPlane implements Plane<number> {
  private readonly network: number
  private readonly pageBits: number
  private readonly base: RangeSet<number>
  private readonly source: PlaneSource | undefined
  private readonly pages: (BitPage | undefined)[]
  private readonly counts: Uint32Array
  private readonly anyPage: Uint32Array
  private readonly stored = new Set<number>()
  private readonly changed: Uint8Array
  private changedPages: number[] = []
  private population = 0
  private tree: RunTree | undefined
  private stalePages: Uint8Array

  /** @param base the members where the source holds no page @throws PageError if a head is not what it should be */
  constructor(network: number, prefix: number, base: RangeSet<number>, source?: PlaneSource) {
    const size = 2 ** (32 - prefix)
    const pages = Math.max(1, size / 2 ** PAGE_SHIFT)
    this.network = network
    this.pageBits = Math.max(32, size / pages)
    this.base = base
    this.source = source
    this.pages = new Array<BitPage | undefined>(pages).fill(undefined)
    this.counts = new Uint32Array(pages)
    this.anyPage = new Uint32Array((pages + 31) >>> 5)
    this.changed = new Uint8Array(pages)
    this.stalePages = new Uint8Array(pages)
    for (const { from, to } of base.ranges) {
      const low = from - network
      const high = to - network
      for (let p = low >>> PAGE_SHIFT; p <= high >>> PAGE_SHIFT; p++) {
        const start = p * this.pageBits
        this.counts[p]! += Math.min(high, start + this.pageBits - 1) - Math.max(low, start) + 1
      }
    }
    for (const [index, bytes] of source?.heads ?? []) {
      const page = Number(index)
      if (!(page < pages)) throw new PageError(`page ${source?.key(index)}: beyond the CIDR`)
      this.counts[page] = this.head(page, bytes).view.getUint32(24, true)
      this.stored.add(page)
    }
    for (let p = 0; p < pages; p++) {
      this.population += this.counts[p]!
      if (this.counts[p] !== 0) this.anyPage[p >>> 5]! |= 1 << (p & 31)
    }
  }

  get count(): bigint {
    return BigInt(this.population)
  }

  get isEmpty(): boolean {
    return this.population === 0
  }

  has(address: number): boolean {
    const offset = address - this.network
    const page = offset >>> PAGE_SHIFT
    if (this.counts[page] === 0) return false
    return this.open(page).has(offset & (this.pageBits - 1))
  }

  set(address: number): boolean {
    const offset = address - this.network
    const page = offset >>> PAGE_SHIFT
    if (!this.open(page).set(offset & (this.pageBits - 1))) return false
    this.population++
    if (this.counts[page]!++ === 0) this.anyPage[page >>> 5]! |= 1 << (page & 31)
    this.touch(page)
    return true
  }

  clear(address: number): boolean {
    const offset = address - this.network
    const page = offset >>> PAGE_SHIFT
    if (this.counts[page] === 0) return false
    if (!this.open(page).clear(offset & (this.pageBits - 1))) return false
    this.population--
    if (--this.counts[page]! === 0) this.anyPage[page >>> 5]! &= ~(1 << (page & 31))
    this.touch(page)
    return true
  }

  next(from?: number): number | undefined {
    let page = 0
    if (from !== undefined && from > this.network) {
      const offset = from - this.network
      page = offset >>> PAGE_SHIFT
      if (page >= this.pages.length) return undefined
      if (this.counts[page] !== 0 && (offset & (this.pageBits - 1)) !== 0) {
        const bit = this.open(page).next(offset & (this.pageBits - 1))
        if (bit >= 0) return this.network + page * this.pageBits + bit
        page++
      }
    }
    page = this.nextPage(page)
    if (page < 0) return undefined
    return this.network + page * this.pageBits + this.open(page).next(0)
  }

  private nextPage(page: number): number {
    let i = page >>> 5
    if (i >= this.anyPage.length) return -1
    let group = this.anyPage[i]! & (-1 << (page & 31))
    while (group === 0) {
      if (++i >= this.anyPage.length) return -1
      group = this.anyPage[i]!
    }
    return i * 32 + 31 - Math.clz32(group & -group)
  }

  run(length: number, aligned: boolean): number | undefined {
    const order = aligned ? Math.log2(length) : -1
    const hit = aligned ? this.runs().findBlock(order) : this.runs().findRun(length)
    if (hit === undefined) return undefined
    if (hit >= 0) return this.network + hit
    const page = -1 - hit
    const bit = aligned ? this.open(page).findBlock(order) : this.open(page).findRun(length)
    return this.network + page * this.pageBits + bit
  }

  plus(address: number, step: number): number {
    return address + step
  }

  *ranges(): Iterable<Range<number>> {
    let pending: { from: number; to: number } | undefined
    for (const range of this.pieces()) {
      if (pending !== undefined && pending.to + 1 === range.from) pending.to = range.to
      else {
        if (pending !== undefined) yield pending
        pending = { from: range.from, to: range.to }
      }
    }
    if (pending !== undefined) yield pending
  }

  private *pieces(): Iterable<Range<number>> {
    for (let p = this.nextPage(0); p >= 0; p = this.nextPage(p + 1)) {
      const start = this.network + p * this.pageBits
      const page = this.open(p)
      let from = page.next(0)
      while (from >= 0) {
        let to = from
        while (to + 1 < this.pageBits && page.has(to + 1)) {
          to = (to & 31) === 31 && page.words[(to + 1) >>> 5] === 0xffffffff ? to + 32 : to + 1
        }
        yield { from: start + from, to: start + to }
        from = to + 1 < this.pageBits ? page.next(to + 1) : -1
      }
    }
  }

  moveAllTo(target: Plane<number>): void {
    const into = target as BitPlane
    for (let p = this.nextPage(0); p >= 0; p = this.nextPage(p + 1)) {
      const from = this.open(p)
      if (into.counts[p] === 0) {
        this.pages[p] = into.pages[p] ?? new BitPage(this.pageBits)
        into.pages[p] = from
        into.recount(p)
        this.recount(p)
        continue
      }
      const to = into.open(p)
      for (let w = from.nextWord(0); w >= 0; w = from.nextWord(w + 1)) {
        to.setWord(w, (to.words[w]! | from.words[w]!) >>> 0)
        from.setWord(w, 0)
      }
      into.recount(p)
      this.recount(p)
    }
  }

  assign(members: RangeSet<number>): void {
    for (let p = this.nextPage(0); p >= 0; p = this.nextPage(p + 1)) {
      const page = this.open(p)
      for (let w = page.nextWord(0); w >= 0; w = page.nextWord(w + 1)) page.setWord(w, 0)
      this.recount(p)
    }
    for (const { from, to } of members.ranges) {
      for (let p = (from - this.network) >>> PAGE_SHIFT; p <= (to - this.network) >>> PAGE_SHIFT; p++) {
        const start = this.network + p * this.pageBits
        this.open(p).setRange(Math.max(from, start) - start, Math.min(to, start + this.pageBits - 1) - start)
        this.recount(p)
      }
    }
  }

  private recount(p: number): void {
    const count = this.open(p).count
    this.population += count - this.counts[p]!
    this.counts[p] = count
    if (count === 0) this.anyPage[p >>> 5]! &= ~(1 << (p & 31))
    else this.anyPage[p >>> 5]! |= 1 << (p & 31)
    this.touch(p)
  }

  private touch(page: number): void {
    this.stalePages[page] = 1
    if (this.changed[page] === 1) return
    this.changed[page] = 1
    this.changedPages.push(page)
  }

  private open(p: number): BitPage {
    return this.pages[p] ?? this.materialise(p)
  }

  private materialise(p: number): BitPage {
    const page = new BitPage(this.pageBits)
    this.pages[p] = page
    if (this.stored.has(p) && this.source !== undefined) {
      const key = this.source.key(String(p))
      const bytes = this.source.load(String(p))
      const data = decodeData(key, bytes, this.head(p, bytes ?? new Uint8Array()))
      const words = new Uint32Array(data.slice().buffer)
      for (let w = 0; w < words.length; w++) if (words[w] !== 0) page.setWord(w, words[w]!)
      if (page.count !== this.counts[p]) throw new PageError(`page ${key}: population differs from its head`)
      return page
    }
    const start = this.network + p * this.pageBits
    for (const { from, to } of this.base.ranges) {
      const low = Math.max(from, start) - start
      const high = Math.min(to, start + this.pageBits - 1) - start
      if (low <= high) page.setRange(low, high)
    }
    return page
  }

  private head(p: number, bytes: Uint8Array) {
    const key = this.source?.key(String(p)) ?? String(p)
    const head = decodeHead(key, bytes, PAGE_BITMAP, 4)
    if (head.size !== this.pageBits)
      throw new PageError(`page ${key}: ${head.size} bits, not ${this.pageBits}`)
    return head
  }

  private runs(): RunTree {
    if (this.tree === undefined) {
      this.tree = new RunTree(this.pages.length, this.pageBits)
      this.stalePages.fill(1)
    }
    for (let p = this.stalePages.indexOf(1); p >= 0; p = this.stalePages.indexOf(1, p + 1)) {
      this.tree.setLeaf(p, this.summary(p))
      this.stalePages[p] = 0
    }
    return this.tree
  }

  private summary(p: number): RunSummary {
    if (this.pages[p] === undefined && this.stored.has(p)) {
      const { view } = this.head(p, this.source?.heads.get(String(p)) ?? new Uint8Array())
      return {
        order: view.getInt32(20, true),
        lead: view.getUint32(28, true),
        trail: view.getUint32(32, true),
        longest: view.getUint32(36, true),
      }
    }
    if (this.pages[p] === undefined && this.counts[p] === this.pageBits) {
      return {
        order: Math.log2(this.pageBits),
        lead: this.pageBits,
        trail: this.pageBits,
        longest: this.pageBits,
      }
    }
    return this.counts[p] === 0 ? { order: -1, lead: 0, trail: 0, longest: 0 } : this.open(p).summary
  }

  dirty(): readonly string[] {
    return this.changedPages.map(String)
  }

  restoreDirty(indexes: readonly string[]): void {
    for (const page of this.changedPages) this.changed[page] = 0
    this.changedPages = indexes.map(Number)
    for (const page of this.changedPages) this.changed[page] = 1
  }

  settled(): void {}

  takePages(): { index: string; bytes: Uint8Array | null }[] {
    const taken = this.changedPages.map((p) => {
      const page = this.open(p)
      this.stored.add(p)
      const { order, lead, trail, longest } = page.summary
      const bytes = sealPage(page.image, PAGE_BITMAP, 4, this.pageBits, (view) => {
        view.setInt32(20, order, true)
        view.setUint32(24, page.count, true)
        view.setUint32(28, lead, true)
        view.setUint32(32, trail, true)
        view.setUint32(36, longest, true)
      })
      return { index: String(p), bytes }
    })
    this.restoreDirty([])
    return taken
  }

  storedPages(): readonly string[] {
    return [...this.stored].map(String)
  }
}
