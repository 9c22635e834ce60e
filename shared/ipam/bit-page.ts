import { PAGE_HEAD_BYTES } from './page.ts'
import { findBlockIn, findRunIn, type RunSummary, RunTree, summarise } from './run-tree.ts'

/** log2 of a page's bits: 2^18 bits are 32 KiB; a /8 is 64 pages. */
export const PAGE_SHIFT = 18
const BLOCK_BITS = 1024
const BLOCK_WORDS = BLOCK_BITS / 32

/**
 * A page of a bitmap: words, two summary levels (a bit a word, a bit 32 words) for the lowest member, and a tree of
 * run summaries over blocks of 1,024 bits, brought up to date only when a run is asked for.
 */
export class BitPage {
  readonly words: Uint32Array
  /** The words as they are stored, behind room for the head: saving a page copies nothing. */
  readonly image: Uint8Array
  /** Members. */
  count = 0
  private readonly any1: Uint32Array
  private readonly any2: Uint32Array
  private tree: RunTree | undefined
  private stale: Uint32Array | undefined

  constructor(bits: number) {
    const words = bits >>> 5
    this.image = new Uint8Array(PAGE_HEAD_BYTES + words * 4)
    this.words = new Uint32Array(this.image.buffer, PAGE_HEAD_BYTES, words)
    this.any1 = new Uint32Array((words + 31) >>> 5)
    this.any2 = new Uint32Array((this.any1.length + 31) >>> 5)
  }

  has(bit: number): boolean {
    return (this.words[bit >>> 5]! & (1 << (bit & 31))) !== 0
  }

  set(bit: number): boolean {
    const w = bit >>> 5
    const old = this.words[w]!
    const mask = 1 << (bit & 31)
    if ((old & mask) !== 0) return false
    this.words[w] = old | mask
    if (old === 0) this.mark(w)
    this.count++
    if (this.stale !== undefined) this.stale[bit >>> 15]! |= 1 << ((bit >>> 10) & 31)
    return true
  }

  clear(bit: number): boolean {
    const w = bit >>> 5
    const old = this.words[w]!
    const mask = 1 << (bit & 31)
    if ((old & mask) === 0) return false
    const now = old & ~mask
    this.words[w] = now
    if (now === 0) this.unmark(w)
    this.count--
    if (this.stale !== undefined) this.stale[bit >>> 15]! |= 1 << ((bit >>> 10) & 31)
    return true
  }

  private mark(w: number): void {
    const i = w >>> 5
    if (this.any1[i] === 0) this.any2[i >>> 5]! |= 1 << (i & 31)
    this.any1[i]! |= 1 << (w & 31)
  }

  private unmark(w: number): void {
    const i = w >>> 5
    const left = (this.any1[i]! & ~(1 << (w & 31))) >>> 0
    this.any1[i] = left
    if (left === 0) this.any2[i >>> 5]! &= ~(1 << (i & 31))
  }

  /** Replaces a word; summaries and count follow. */
  setWord(w: number, word: number): void {
    const old = this.words[w]!
    this.words[w] = word
    if (old === 0 && word !== 0) this.mark(w)
    else if (old !== 0 && word === 0) this.unmark(w)
    this.count += popcount(word) - popcount(old)
    if (this.stale !== undefined) this.stale[w >>> 10]! |= 1 << ((w >>> 5) & 31)
  }

  /** Adds the bits from..to, both included. */
  setRange(from: number, to: number): void {
    for (let w = from >>> 5; w <= to >>> 5; w++) {
      const low = w === from >>> 5 ? -1 << (from & 31) : -1
      const high = w === to >>> 5 ? -1 >>> (31 - (to & 31)) : -1
      this.setWord(w, (this.words[w]! | (low & high)) >>> 0)
    }
  }

  /** The lowest member ≥ bit, -1 if none. */
  next(bit: number): number {
    const words = this.words
    let w = bit >>> 5
    const word = words[w]! & (-1 << (bit & 31))
    if (word !== 0) return w * 32 + 31 - Math.clz32(word & -word)
    w = this.nextWord(w + 1)
    if (w < 0) return -1
    const found = words[w]!
    return w * 32 + 31 - Math.clz32(found & -found)
  }

  /** The lowest word ≥ w that is not 0, -1 if none. */
  nextWord(w: number): number {
    let i = w >>> 5
    if (i >= this.any1.length) return -1
    let hit = this.any1[i]! & (-1 << (w & 31))
    if (hit === 0) {
      i++
      let j = i >>> 5
      if (j >= this.any2.length) return -1
      let group = this.any2[j]! & (-1 << (i & 31))
      while (group === 0) {
        if (++j >= this.any2.length) return -1
        group = this.any2[j]!
      }
      i = j * 32 + 31 - Math.clz32(group & -group)
      hit = this.any1[i]!
    }
    return i * 32 + 31 - Math.clz32(hit & -hit)
  }

  /** Runs of the whole page. */
  get summary(): RunSummary {
    return this.runs().root
  }

  /** The lowest run of `length` within the page, -1 if none. */
  findRun(length: number): number {
    const hit = this.runs().findRun(length)
    if (hit === undefined) return -1
    if (hit >= 0) return hit
    const from = (-1 - hit) * BLOCK_WORDS
    return findRunIn(this.words, from, Math.min(from + BLOCK_WORDS, this.words.length), length)
  }

  /** The lowest aligned block of 2^order within the page, -1 if none. */
  findBlock(order: number): number {
    const hit = this.runs().findBlock(order)
    if (hit === undefined) return -1
    if (hit >= 0) return hit
    const from = (-1 - hit) * BLOCK_WORDS
    return findBlockIn(this.words, from, Math.min(from + BLOCK_WORDS, this.words.length), order)
  }

  private runs(): RunTree {
    const blocks = Math.max(1, this.words.length / BLOCK_WORDS)
    if (this.tree === undefined || this.stale === undefined) {
      this.tree = new RunTree(blocks, Math.min(BLOCK_BITS, this.words.length * 32))
      this.stale = new Uint32Array((blocks + 31) >>> 5).fill(0xffffffff)
      if (blocks < 32) this.stale[0] = 2 ** blocks - 1
    }
    const { tree, stale, words } = this
    for (let i = 0; i < stale.length; i++) {
      let bits = stale[i]!
      while (bits !== 0) {
        const block = i * 32 + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        const from = block * BLOCK_WORDS
        summarise(words, from, Math.min(from + BLOCK_WORDS, words.length), scratch)
        tree.setLeaf(block, scratch)
      }
      stale[i] = 0
    }
    return tree
  }
}

const scratch: RunSummary = { lead: 0, trail: 0, longest: 0, order: -1 }

/** Set bits of a word. */
export function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555)
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
