/** Randomness as the core sees it. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array
}

/** Bytes drawn at a time: a call of the generator costs more than the few bytes of an id. */
const DRAWN_BYTES = 1024

let drawn = new Uint8Array()
let used = 0

/** The runtime's generator. Only composition roots name it. */
export const systemRandom: Random = {
  bytes(length) {
    if (length > DRAWN_BYTES) return crypto.getRandomValues(new Uint8Array(length))
    if (used + length > drawn.length) {
      // A new array each time: what was handed out belongs to its caller.
      drawn = crypto.getRandomValues(new Uint8Array(DRAWN_BYTES))
      used = 0
    }
    used += length
    return drawn.subarray(used - length, used)
  },
}
