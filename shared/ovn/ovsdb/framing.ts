/**
 * Messages out of a byte stream. OVSDB sends JSON objects one after another with nothing, or white space, between them
 * (RFC 7047 §4, JSON-RPC 1.0 §3.1), so an object ends where its last brace closes.
 */
import { type JsonObject, parseJson } from './json.ts'

export interface FramingLimits {
  /** Longest message, bytes. */
  readonly messageBytes: number
  /** Deepest nesting of arrays and objects. */
  readonly depth: number
}

export interface Framed {
  /** Whole messages, in order. */
  readonly messages: readonly JsonObject[]
  /** Why nothing after them can be read. It stays. */
  readonly fault?: string
}

/** A buffer larger than this is given back once its message is read. */
const KEPT_BYTES = 64 * 1024

const QUOTE = 0x22
const BACKSLASH = 0x5c
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]
const WHITE_SPACE = new Set([0x20, 0x09, 0x0a, 0x0d])
/** Integers below 10^15 are exact in a double. */
const WIDE_DIGITS = 16

/** Reads each byte once, wherever the stream is cut; holds no more than the message under way. */
export class Framing {
  readonly #limits: FramingLimits
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** What came of the message under way in earlier chunks. */
  #held = new Uint8Array(0)
  #heldBytes = 0
  /** The open braces and brackets. */
  readonly #open: Uint8Array
  #depth = 0
  #inString = false
  #escaped = false
  #digits = 0
  #wide = false
  #fault: string | undefined

  constructor(limits: FramingLimits) {
    this.#limits = limits
    this.#open = new Uint8Array(limits.depth)
  }

  push(chunk: Uint8Array): Framed {
    const messages: JsonObject[] = []
    let from = 0
    for (let i = 0; i < chunk.length && this.#fault === undefined; i++) {
      const started = this.#depth > 0
      this.#step(chunk[i]!)
      if (!started) from = i
      else if (this.#depth === 0 && this.#fault === undefined) {
        const message = this.#finish(chunk.subarray(from, i + 1))
        if (message) messages.push(message)
      }
    }
    if (this.#fault === undefined && this.#depth > 0) this.#keep(chunk.subarray(from))
    if (this.#fault !== undefined) this.#drop()
    return this.#fault === undefined ? { messages } : { messages, fault: this.#fault }
  }

  /** True between messages: the stream may end here. */
  get isBetween(): boolean {
    return this.#depth === 0
  }

  /** Bytes of the message under way. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  #step(byte: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) this.#inString = false
      else if (byte < 0x20) this.#fault = 'a control character in a string'
      return
    }
    if (byte >= 0x30 && byte <= 0x39) {
      if (++this.#digits >= WIDE_DIGITS) this.#wide = true
      if (this.#depth === 0) this.#fault = 'a number where a message should begin'
      return
    }
    this.#digits = 0
    switch (byte) {
      case QUOTE:
        this.#inString = true
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (this.#depth === this.#open.length) this.#fault = `nested deeper than ${this.#limits.depth}`
        else if (this.#depth === 0 && byte === OPEN_BRACKET) break
        else this.#open[this.#depth++] = byte
        return
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.#depth === 0 || this.#open[this.#depth - 1] !== byte - 2) break
        this.#depth--
        return
      default:
        if (WHITE_SPACE.has(byte)) return
    }
    if (this.#depth === 0) this.#fault = 'a message that is not an object'
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)
      this.#fault = 'a bracket closes what it did not open'
  }

  #finish(last: Uint8Array): JsonObject | undefined {
    const bytes = this.#heldBytes + last.length
    const wide = this.#wide
    this.#wide = false
    if (bytes > this.#limits.messageBytes) {
      this.#fault = `a message longer than ${this.#limits.messageBytes} bytes`
      return undefined
    }
    if (this.#heldBytes > 0) this.#append(last)
    const whole = this.#heldBytes > 0 ? this.#held.subarray(0, this.#heldBytes) : last
    try {
      return parseJson(this.#decoder.decode(whole), wide) as JsonObject
    } catch (error) {
      this.#fault =
        error instanceof SyntaxError ? 'a message that is not JSON' : 'a message that is not UTF-8'
      return undefined
    } finally {
      this.#heldBytes = 0
      if (this.#held.length > KEPT_BYTES) this.#held = new Uint8Array(0)
    }
  }

  #keep(rest: Uint8Array): void {
    if (this.#heldBytes + rest.length > this.#limits.messageBytes) {
      this.#fault = `a message longer than ${this.#limits.messageBytes} bytes`
      return
    }
    this.#append(rest)
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#heldBytes + bytes.length
    if (needed > this.#held.length) {
      const grown = new Uint8Array(
        Math.max(needed, Math.min(this.#held.length * 2, this.#limits.messageBytes)),
      )
      grown.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = grown
    }
    this.#held.set(bytes, this.#heldBytes)
    this.#heldBytes = needed
  }

  #drop(): void {
    this.#held = new Uint8Array(0)
    this.#heldBytes = 0
  }
}
