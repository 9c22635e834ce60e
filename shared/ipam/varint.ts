/** Unsigned LEB128 of any length: gaps between IPv6 runs are mostly a byte or two, and may be 2^128. */
export function writeVarints(values: readonly bigint[]): Uint8Array {
  const out: number[] = []
  for (const value of values) {
    let rest = value
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    out.push(Number(rest))
  }
  return Uint8Array.from(out)
}

/** The inverse; a truncated last value is left out. */
export function readVarints(bytes: Uint8Array): bigint[] {
  const values: bigint[] = []
  let value = 0n
  let shift = 0n
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift
    shift += 7n
    if (byte < 128) {
      values.push(value)
      value = 0n
      shift = 0n
    }
  }
  return values
}
