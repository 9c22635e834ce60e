/** How long changes of a Subnet's counters gather before they are told. */
const GATHER_MS = 1_000

/** When a Subnet's counters are to be told. In memory only: after a restart they are told once more. */
export class CountersDue {
  private readonly dueAt: (ledgerMs: number) => void
  private changes = 0
  private atMs: number | undefined

  constructor(dueAt: (ledgerMs: number) => void) {
    this.dueAt = dueAt
  }

  /** Raised by whatever the counters follow from. */
  get revision(): number {
    return this.changes
  }

  /** Ledger time at which they are to be told; undefined when nothing changed since. */
  get dueMs(): number | undefined {
    return this.atMs
  }

  /** Many changes are one telling. */
  changed(nowMs: number): void {
    this.changes++
    this.atMs ??= nowMs + GATHER_MS
    this.dueAt(this.atMs)
  }

  /** The counters of that revision are told, or (`retryMs`) are to be told later. */
  told(revision: number, nowMs: number, retryMs?: number): void {
    if (retryMs !== undefined) this.atMs = nowMs + retryMs
    else this.atMs = revision === this.changes ? undefined : nowMs + GATHER_MS
    if (this.atMs !== undefined) this.dueAt(this.atMs)
  }
}
