/**
 * Pages describe themselves: magic, version, kind, sizes and population, then data (after flatbush's index.js). The
 * head alone is enough to open a plane without its pages. Little endian, as every platform workerd runs on.
 *
 * | bytes | head |
 * |-|-|
 * | 0-3 | magic `BRTH` |
 * | 4-5 | version |
 * | 6 | kind |
 * | 7 | family |
 * | 8-11 | data length in bytes |
 * | 12-15 | FNV-1a of the data |
 * | 16-19 | size: bits of a bitmap page, runs of a run page, entries of an order page |
 * | 20-23 | order of the largest aligned free block (bitmap), as int32 |
 * | 24-47 | population, leading run, trailing run, longest run (bitmap: 3 × uint32 from 28) |
 * | 24-39 | population (runs: uint128) |
 * | 40-55, 56-71, 72-87 | first address, last address, longest run (runs: uint128 each) |
 */
export const PAGE_HEAD_BYTES = 96
export const PAGE_VERSION = 1
const MAGIC = 0x48545242

export const PAGE_BITMAP = 1
export const PAGE_RUNS = 2
export const PAGE_ORDER = 3
export const PAGE_LAYOUT = 4

/** A page that is not what its key says: truncated, of another version, of another size, or damaged. */
export class PageError extends Error {
  override readonly name = 'PageError'
}

/** The fields of a page's head; numbers a kind does not use are 0. */
export interface PageHead {
  readonly kind: number
  readonly family: number
  readonly dataBytes: number
  readonly size: number
  readonly view: DataView
}

/** A page of `data`. `fill` writes the kind's own numbers into its head. */
export function encodePage(
  kind: number,
  family: number,
  size: number,
  data: Uint8Array,
  fill?: (view: DataView) => void,
): Uint8Array {
  const bytes = new Uint8Array(PAGE_HEAD_BYTES + data.length)
  bytes.set(data, PAGE_HEAD_BYTES)
  return sealPage(bytes, kind, family, size, fill)
}

/** Writes the head of a page whose data is in place, and returns the page. */
export function sealPage(
  bytes: Uint8Array,
  kind: number,
  family: number,
  size: number,
  fill?: (view: DataView) => void,
): Uint8Array {
  const data = bytes.subarray(PAGE_HEAD_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_HEAD_BYTES)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, PAGE_VERSION, true)
  view.setUint8(6, kind)
  view.setUint8(7, family)
  view.setUint32(8, data.length, true)
  view.setUint32(12, checksum(data), true)
  view.setUint32(16, size, true)
  fill?.(view)
  return bytes
}

/** Reads a head (of a head alone, or of a whole page). @throws PageError */
export function decodeHead(key: string, bytes: Uint8Array, kind: number, family: number): PageHead {
  if (bytes.length < PAGE_HEAD_BYTES)
    throw new PageError(`page ${key}: ${bytes.length} bytes are no page head`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_HEAD_BYTES)
  if (view.getUint32(0, true) !== MAGIC) throw new PageError(`page ${key}: bad magic`)
  const version = view.getUint16(4, true)
  if (version !== PAGE_VERSION) throw new PageError(`page ${key}: version ${version}, not ${PAGE_VERSION}`)
  if (view.getUint8(6) !== kind) throw new PageError(`page ${key}: kind ${view.getUint8(6)}, not ${kind}`)
  if (view.getUint8(7) !== family)
    throw new PageError(`page ${key}: family ${view.getUint8(7)}, not ${family}`)
  return { kind, family, dataBytes: view.getUint32(8, true), size: view.getUint32(16, true), view }
}

/** The data of a whole page, checked against its head. @throws PageError */
export function decodeData(key: string, bytes: Uint8Array | undefined, head: PageHead): Uint8Array {
  if (bytes === undefined) throw new PageError(`page ${key}: in the manifest, not in the store`)
  if (bytes.length !== PAGE_HEAD_BYTES + head.dataBytes)
    throw new PageError(`page ${key}: ${bytes.length} bytes, not ${PAGE_HEAD_BYTES + head.dataBytes}`)
  const data = bytes.subarray(PAGE_HEAD_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_HEAD_BYTES)
  if (checksum(data) !== view.getUint32(12, true)) throw new PageError(`page ${key}: checksum differs`)
  return data
}

/** FNV-1a over 32-bit words (and the odd bytes): quick enough to run on every page written. */
export function checksum(data: Uint8Array): number {
  let hash = 0x811c9dc5
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const whole = data.length & ~3
  for (let i = 0; i < whole; i += 4) hash = Math.imul(hash ^ view.getUint32(i, true), 0x01000193)
  for (let i = whole; i < data.length; i++) hash = Math.imul(hash ^ data[i]!, 0x01000193)
  return hash >>> 0
}

/** Writes a uint128. */
export function setUint128(view: DataView, offset: number, value: bigint): void {
  view.setBigUint64(offset, value & 0xffffffffffffffffn, true)
  view.setBigUint64(offset + 8, value >> 64n, true)
}

/** Reads a uint128. */
export function getUint128(view: DataView, offset: number): bigint {
  return view.getBigUint64(offset, true) | (view.getBigUint64(offset + 8, true) << 64n)
}
