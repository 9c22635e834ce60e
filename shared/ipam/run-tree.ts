/** Longest-run summary of a stretch of bits: what a tree node keeps, and what two neighbours need to be joined. */
export interface RunSummary {
  /** Set bits at the low end. */
  lead: number
  /** Set bits at the high end. */
  trail: number
  /** Longest run. */
  longest: number
  /** log2 of the largest naturally aligned, fully set block; -1 if no bit is set. */
  order: number
}

/**
 * A complete binary tree over equal leaves, each summed up by its runs, so that the lowest run of n set bits and the
 * lowest aligned block of 2^k are found in log(leaves) steps however fragmented the bits are. A buddy allocator's
 * tree with lengths beside the orders.
 */
export class RunTree {
  private readonly leaves: number
  private readonly leafBits: number
  private readonly leads: Uint32Array
  private readonly trails: Uint32Array
  private readonly longests: Uint32Array
  private readonly orders: Int8Array

  /** @param leaves a power of two @param leafBits a power of two */
  constructor(leaves: number, leafBits: number) {
    this.leaves = leaves
    this.leafBits = leafBits
    this.leads = new Uint32Array(2 * leaves)
    this.trails = new Uint32Array(2 * leaves)
    this.longests = new Uint32Array(2 * leaves)
    this.orders = new Int8Array(2 * leaves).fill(-1)
  }

  /** The whole. */
  get root(): RunSummary {
    return {
      lead: this.leads[1]!,
      trail: this.trails[1]!,
      longest: this.longests[1]!,
      order: this.orders[1]!,
    }
  }

  /** Replaces a leaf and everything above it that changes. */
  setLeaf(leaf: number, summary: RunSummary): void {
    let node = this.leaves + leaf
    this.leads[node] = summary.lead
    this.trails[node] = summary.trail
    this.longests[node] = summary.longest
    this.orders[node] = summary.order
    let half = this.leafBits
    for (node >>>= 1; node > 0; node >>>= 1) {
      if (!this.join(node, half)) return
      half *= 2
    }
  }

  private join(node: number, half: number): boolean {
    const { leads, trails, longests, orders } = this
    const low = 2 * node
    const high = low + 1
    const lead = leads[low] === half ? half + leads[high]! : leads[low]!
    const trail = trails[high] === half ? half + trails[low]! : trails[high]!
    const longest = Math.max(longests[low]!, longests[high]!, trails[low]! + leads[high]!)
    const full = leads[low] === half && leads[high] === half
    const order = full ? orders[low]! + 1 : Math.max(orders[low]!, orders[high]!)
    const same =
      leads[node] === lead && trails[node] === trail && longests[node] === longest && orders[node] === order
    leads[node] = lead
    trails[node] = trail
    longests[node] = longest
    orders[node] = order
    return !same
  }

  /**
   * Where the lowest run of `length` set bits is: its offset if it spans leaves, `-1 - leaf` if it lies within one,
   * `undefined` if there is none.
   */
  findRun(length: number): number | undefined {
    const { leaves, leads, trails, longests } = this
    if (longests[1]! < length) return undefined
    let node = 1
    let start = 0
    let half = (leaves * this.leafBits) / 2
    while (node < leaves) {
      const low = 2 * node
      if (longests[low]! >= length) {
        node = low
      } else if (trails[low]! + leads[low + 1]! >= length) {
        return start + half - trails[low]!
      } else {
        node = low + 1
        start += half
      }
      half /= 2
    }
    return -1 - (node - leaves)
  }

  /** As `findRun`, for the lowest aligned block of 2^order set bits. */
  findBlock(order: number): number | undefined {
    const { leaves, orders } = this
    if (orders[1]! < order) return undefined
    let node = 1
    let start = 0
    let size = leaves * this.leafBits
    while (node < leaves) {
      if (2 ** order === size) return start
      node *= 2
      size /= 2
      if (orders[node]! < order) {
        node++
        start += size
      }
    }
    return 2 ** order === this.leafBits ? start : -1 - (node - leaves)
  }
}

/** log2 of the largest aligned block of ones in a word; -1 if it is 0. */
export function wordOrder(word: number): number {
  if (word === 0) return -1
  let rest = word & (word >>> 1) & 0x55555555
  if (rest === 0) return 0
  rest &= (rest >>> 2) & 0x11111111
  if (rest === 0) return 1
  rest &= (rest >>> 4) & 0x01010101
  if (rest === 0) return 2
  rest &= (rest >>> 8) & 0x00010001
  if (rest === 0) return 3
  return (rest & (rest >>> 16)) === 0 ? 4 : 5
}

const FOLDS = [0x55555555, 0x11111111, 0x01010101, 0x00010001, 0x00000001]

/** Bit number of the lowest aligned block of 2^order ones (order ≤ 5), -1 if none. */
export function wordBlock(word: number, order: number): number {
  let rest = word | 0
  for (let k = 0; k < order; k++) rest &= (rest >>> (1 << k)) & FOLDS[k]!
  return rest === 0 ? -1 : 31 - Math.clz32(rest & -rest)
}

/** Sums up `words[from..to)` (at most 32 words). */
export function summarise(words: Uint32Array, from: number, to: number, into: RunSummary): void {
  let run = 0
  let lead = -1
  let longest = 0
  let order = -1
  let fullWords = 0
  for (let w = from; w < to; w++) {
    const word = words[w]! | 0
    if (word === -1) {
      run += 32
      fullWords |= 1 << (w - from)
      continue
    }
    const low = word & 1 ? 31 - Math.clz32(~word & (word + 1)) : 0
    run += low
    if (lead < 0) lead = run
    if (run > longest) longest = run
    run = 0
    if (word === 0) continue
    const o = wordOrder(word)
    if (o > order) order = o
    let inner = word
    let length = 0
    while (inner !== 0) {
      inner &= inner << 1
      length++
    }
    if (length > longest) longest = length
    run = Math.clz32(~word)
  }
  if (run > longest) longest = run
  if (fullWords !== 0) order = 5 + wordOrder(fullWords)
  into.lead = lead < 0 ? run : lead
  into.trail = run
  into.longest = longest
  into.order = order
}

/** Offset (bits from word 0) of the lowest run of `length` in `words[from..to)`, -1 if none. */
export function findRunIn(words: Uint32Array, from: number, to: number, length: number): number {
  let run = 0
  for (let w = from; w < to; w++) {
    const word = words[w]! | 0
    if (word === -1) {
      run += 32
      if (run >= length) return (w + 1) * 32 - run
      continue
    }
    const low = word & 1 ? 31 - Math.clz32(~word & (word + 1)) : 0
    if (run + low >= length) return w * 32 - run
    if (length < 32 && word !== 0) {
      let starts = word
      for (let have = 1; have < length && starts !== 0; ) {
        const step = Math.min(have, length - have)
        starts &= starts >>> step
        have += step
      }
      if (starts !== 0) return w * 32 + 31 - Math.clz32(starts & -starts)
    }
    run = Math.clz32(~word)
  }
  return -1
}

/** Offset of the lowest aligned block of 2^order in `words[from..to)` (at most 32 words, aligned), -1 if none. */
export function findBlockIn(words: Uint32Array, from: number, to: number, order: number): number {
  if (order >= 5) {
    let full = 0
    for (let w = from; w < to; w++) if (words[w] === 0xffffffff) full |= 1 << (w - from)
    const word = wordBlock(full, order - 5)
    return word < 0 ? -1 : (from + word) * 32
  }
  for (let w = from; w < to; w++) {
    const bit = wordBlock(words[w]!, order)
    if (bit >= 0) return w * 32 + bit
  }
  return -1
}
