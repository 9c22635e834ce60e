import type { Range, RangeSet } from './range.ts'

/** How an undo is remembered while a mark stands: closures in order of the changes they undo. */
export class Journal {
  private undos: (() => void)[] = []
  private depth = 0

  /** True while somebody may want to roll back. */
  get active(): boolean {
    return this.depth > 0
  }

  /** Opens an undo point, inside those that stand; pass the result to `rollback`. */
  mark(): { readonly at: number; readonly depth: number } {
    return { at: this.undos.length, depth: this.depth++ }
  }

  /** Remembers how to undo a change. Call only while `active`. */
  push(undo: () => void): void {
    this.undos.push(undo)
  }

  /** Undoes everything since the mark, newest first, and closes it. */
  rollback(mark: { readonly at: number; readonly depth: number }): void {
    this.depth = 0
    while (this.undos.length > mark.at) this.undos.pop()!()
    this.depth = mark.depth
  }

  /** Closes the mark and keeps what happened; undo memory goes with the outermost. */
  settle(mark: { readonly depth: number }): void {
    this.depth = mark.depth
    if (mark.depth === 0) this.undos = []
  }
}

/**
 * A set of addresses within one CIDR that changes one address at a time: the free ones, the released ones. Bitmap in
 * family 4 (bitmap.ts), runs in family 6 (runs.ts). Addresses outside the CIDR are never members; setting one is a
 * defect of the caller.
 */
export interface Plane<N extends number | bigint> {
  /** Members. */
  readonly count: bigint
  readonly isEmpty: boolean
  has(address: N): boolean
  /** Adds; false if it was a member. */
  set(address: N): boolean
  /** Removes; false if it was none. */
  clear(address: N): boolean
  /** The lowest member ≥ `from` (default: of all). */
  next(from?: N): N | undefined
  /** Start of the lowest run of `length` members; `aligned`: starting at a multiple of `length` (a power of two). */
  run(length: number, aligned: boolean): N | undefined
  /** Members as ascending ranges that do not touch. */
  ranges(): Iterable<Range<N>>
  /** Moves all members into `target`, a plane of the same CIDR that holds none of them. */
  moveAllTo(target: Plane<N>): void
  /** Replaces the members. */
  assign(members: RangeSet<N>): void
  /** `address + step`. */
  plus(address: N, step: number): N

  /** Pages changed since `takePages`, by index. */
  dirty(): readonly string[]
  /** After a rollback: exactly these are changed (and those whose shape an undo does not restore). */
  restoreDirty(indexes: readonly string[]): void
  /** No rollback beyond this point will come. */
  settled(): void
  /** Encodes and forgets the changed pages; `null` for a page that is no more. The bytes are good until the next change. */
  takePages(): { readonly index: string; readonly bytes: Uint8Array | null }[]
  /** All page indexes a store may hold for this plane. */
  storedPages(): readonly string[]
}
