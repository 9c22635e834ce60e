/**
 * What was read or written last, so that the next call of the same operation reads nothing: a bounded copy of rows, the
 * oldest dropped first. The object is the rows' only writer, so a copy is as good as the row until a rollback.
 */
export class Recent<Value> {
  private readonly entries = new Map<string, { readonly value: Value; readonly weight: number }>()
  /** Keys written since the last commit: after a rollback their rows are unknown. */
  private readonly written = new Set<string>()
  private readonly limit: number
  private weight = 0

  /** @param limit sum of weights that is kept */
  constructor(limit: number) {
    this.limit = limit
  }

  get(key: string): Value | undefined {
    return this.entries.get(key)?.value
  }

  /** Notes what storage holds under `key`. */
  read(key: string, value: Value, weight = 1): void {
    this.weight += weight - (this.entries.get(key)?.weight ?? 0)
    this.entries.set(key, { value, weight })
    if (this.weight <= this.limit) return
    for (const [oldest] of this.entries) {
      if (this.weight <= this.limit) break
      this.drop(oldest)
    }
  }

  /** Notes what the running transaction has put under `key`; undefined where that is not worth keeping. */
  wrote(key: string, value: Value | undefined, weight = 1): void {
    this.written.add(key)
    if (value === undefined) this.drop(key)
    else this.read(key, value, weight)
  }

  /** The running transaction has committed. */
  committed(): void {
    this.written.clear()
  }

  /** The running transaction was taken back. */
  rolledBack(): void {
    for (const key of this.written) this.drop(key)
    this.written.clear()
  }

  private drop(key: string): void {
    const entry = this.entries.get(key)
    if (!entry) return
    this.weight -= entry.weight
    this.entries.delete(key)
  }
}
