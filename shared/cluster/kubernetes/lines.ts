/** A line was longer than the limit. */
export class LineTooLong extends Error {}

/**
 * Cuts a stream of bytes into lines, wherever the chunks were split, in the middle of a character too. Lines without
 * content are left out; what follows the last newline is no line. Bytes that are not UTF-8 throw TypeError.
 */
export class LineReader {
  readonly #limit: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  #rest: string[] = []
  #restLength = 0

  /** Throws LineTooLong beyond `limit` characters. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The lines that `chunk` completes. */
  take(chunk: Uint8Array): string[] {
    const [first = '', ...others] = this.#decoder.decode(chunk, { stream: true }).split('\n')
    this.#keep(first)
    const lines: string[] = []
    for (const part of others) {
      const line = this.#rest.join('')
      this.#rest = []
      this.#restLength = 0
      if (line.trim() !== '') lines.push(line)
      this.#keep(part)
    }
    return lines
  }

  #keep(part: string): void {
    this.#restLength += part.length
    if (this.#restLength > this.#limit) throw new LineTooLong(`a line of more than ${this.#limit} characters`)
    if (part !== '') this.#rest.push(part)
  }
}
