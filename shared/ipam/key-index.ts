/**
 * A hash index from keys to row numbers, in typed arrays: eight to twelve bytes a row, any number of rows a key. V8's
 * Map keeps deleted entries in their chain until it is rebuilt, so that a port which is reserved and released over and
 * over walks thousands of its own ghosts; here a removed row is gone.
 */
export class KeyIndex {
  private heads = new Int32Array(16).fill(-1)
  private links = new Int32Array(16)
  private hashes = new Uint32Array(16)
  private size = 0

  /** Rows with this hash and others of its bucket: start here, go on with `next`, check the key. -1 ends. */
  first(hash: number): number {
    return this.matching(this.heads[hash & (this.heads.length - 1)]!, hash)
  }

  /** The next row after `row` with this hash. */
  next(row: number, hash: number): number {
    return this.matching(this.links[row]!, hash)
  }

  private matching(start: number, hash: number): number {
    let row = start
    while (row >= 0 && this.hashes[row] !== hash) row = this.links[row]!
    return row
  }

  add(row: number, hash: number): void {
    if (row >= this.links.length) this.widen(row)
    if (++this.size > this.heads.length) this.rehash()
    const bucket = hash & (this.heads.length - 1)
    this.hashes[row] = hash
    this.links[row] = this.heads[bucket]!
    this.heads[bucket] = row
  }

  remove(row: number): void {
    const bucket = this.hashes[row]! & (this.heads.length - 1)
    this.size--
    if (this.heads[bucket] === row) {
      this.heads[bucket] = this.links[row]!
      return
    }
    let at = this.heads[bucket]!
    while (this.links[at] !== row) at = this.links[at]!
    this.links[at] = this.links[row]!
  }

  private widen(row: number): void {
    const rows = Math.max(row + 1, this.links.length * 2)
    const links = new Int32Array(rows)
    links.set(this.links)
    this.links = links
    const hashes = new Uint32Array(rows)
    hashes.set(this.hashes)
    this.hashes = hashes
  }

  private rehash(): void {
    const before = this.heads
    const heads = new Int32Array(before.length * 2).fill(-1)
    for (const head of before) {
      for (let row = head; row >= 0; ) {
        const next = this.links[row]!
        const bucket = this.hashes[row]! & (heads.length - 1)
        this.links[row] = heads[bucket]!
        heads[bucket] = row
        row = next
      }
    }
    this.heads = heads
  }
}

/** FNV-1a over UTF-16 units, bits spread at the end so that the low ones can pick a bucket. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return spread(hash)
}

/** A uint32's hash. */
export function spread(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x45d9f3b)
  return (hash ^ (hash >>> 15)) >>> 0
}
