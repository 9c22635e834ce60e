/** Compares in a time that depends on the lengths alone. For secrets and signatures, as bytes, never as text. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.byteLength ^ b.byteLength
  for (let at = 0; at < b.byteLength; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return difference === 0
}
