import type { PlaneSource } from './bitmap.ts'
import { decodeData, decodeHead, encodePage, getUint128, PAGE_ORDER, setUint128 } from './page.ts'
import type { Family } from './types.ts'

/** Releases a page holds. */
const CHUNK = 2048
const ENTRY_BYTES = 24

/**
 * The order in which addresses came back: tickets, ascending, in chunks of 2,048 that are pages of the store. Kept
 * only by strategies that ask for it.
 */
export class ReleaseOrder<N extends number | bigint> implements Iterable<N> {
  private readonly family: Family
  private readonly tickets = new Map<N, number>()
  private readonly chunks = new Map<number, Map<number, N>>()
  private readonly stored = new Set<number>()
  private changed = new Set<number>()
  private nextTicket = 0

  /** Loads all of its pages: this order has no use for laziness, its strategy starts at the oldest. @throws PageError */
  constructor(family: Family, source?: PlaneSource) {
    this.family = family
    for (const index of [...(source?.heads.keys() ?? [])].sort((a, b) => Number(a) - Number(b))) {
      const key = source!.key(index)
      const bytes = source!.load(index)
      const head = decodeHead(key, bytes ?? new Uint8Array(), PAGE_ORDER, family)
      const data = decodeData(key, bytes, head)
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      for (let at = 0; at < data.length; at += ENTRY_BYTES) {
        const address = getUint128(view, at + 8)
        this.insert((family === 4 ? Number(address) : address) as N, view.getFloat64(at, true))
      }
      this.stored.add(Number(index))
    }
  }

  /** @returns the ticket, for undo */
  append(address: N): number {
    const ticket = this.nextTicket
    this.insert(address, ticket)
    this.changed.add(Math.floor(ticket / CHUNK))
    return ticket
  }

  /** @returns the ticket it had, for `restore` */
  remove(address: N): number | undefined {
    const ticket = this.tickets.get(address)
    if (ticket === undefined) return undefined
    this.tickets.delete(address)
    const index = Math.floor(ticket / CHUNK)
    const chunk = this.chunks.get(index)!
    chunk.delete(ticket)
    if (chunk.size === 0) this.chunks.delete(index)
    this.changed.add(index)
    return ticket
  }

  /** Undoes a `remove`. */
  restore(address: N, ticket: number): void {
    this.insert(address, ticket)
    const index = Math.floor(ticket / CHUNK)
    this.chunks.set(index, new Map([...this.chunks.get(index)!].sort((a, b) => a[0] - b[0])))
    this.changed.add(index)
  }

  private insert(address: N, ticket: number): void {
    const index = Math.floor(ticket / CHUNK)
    this.tickets.set(address, ticket)
    let chunk = this.chunks.get(index)
    if (chunk === undefined) {
      chunk = new Map()
      this.chunks.set(index, chunk)
    }
    chunk.set(ticket, address)
    this.nextTicket = Math.max(this.nextTicket, ticket + 1)
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<N> {
    const indexes = [...this.chunks.keys()]
    if (indexes.some((index, i) => i > 0 && index < indexes[i - 1]!)) indexes.sort((a, b) => a - b)
    for (const index of indexes) yield* this.chunks.get(index)!.values()
  }

  dirty(): readonly string[] {
    return [...this.changed].map(String)
  }

  restoreDirty(indexes: readonly string[]): void {
    this.changed = new Set(indexes.map(Number))
  }

  settled(): void {}

  takePages(): { index: string; bytes: Uint8Array | null }[] {
    const taken: { index: string; bytes: Uint8Array | null }[] = []
    for (const index of this.changed) {
      const chunk = this.chunks.get(index)
      if (chunk !== undefined) {
        taken.push({ index: String(index), bytes: this.encode(chunk) })
        this.stored.add(index)
      } else if (this.stored.has(index)) taken.push({ index: String(index), bytes: null })
    }
    this.changed.clear()
    return taken
  }

  private encode(chunk: ReadonlyMap<number, N>): Uint8Array {
    const data = new Uint8Array(chunk.size * ENTRY_BYTES)
    const view = new DataView(data.buffer)
    let at = 0
    for (const [ticket, address] of chunk) {
      view.setFloat64(at, ticket, true)
      setUint128(view, at + 8, BigInt(address))
      at += ENTRY_BYTES
    }
    return encodePage(PAGE_ORDER, this.family, chunk.size, data)
  }

  storedPages(): readonly string[] {
    return [...this.stored].map(String)
  }
}
