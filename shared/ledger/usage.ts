import type { LeaseRow, LeaseTable } from './lease.ts'

/** Whether a row counts as its namespace's: from the hold until the release is proven. Others' objects do not. */
export function isInUse({ state }: LeaseRow): boolean {
  return state !== 'quarantined' && state !== 'foreign'
}

/**
 * Reservations by namespace. Counted from the rows when first asked for, then kept in step with every change of a row; a
 * transaction that is taken back takes its changes back here, too.
 */
export class Usage {
  private readonly leases: LeaseTable
  /** Whether the running transaction has written anything. */
  private readonly wrote: () => boolean
  private counts: Map<string, number> | undefined
  private undo: (readonly [string, number])[] = []
  /** The rows were counted in the middle of a transaction that had changed some. */
  private isTentative = false

  constructor(leases: LeaseTable, wrote: () => boolean) {
    this.leases = leases
    this.wrote = wrote
  }

  of(namespace: string): number {
    return this.known().get(namespace) ?? 0
  }

  /** Those that have any. */
  namespaces(): Iterable<string> {
    return this.known().keys()
  }

  private known(): Map<string, number> {
    if (!this.counts) {
      this.counts = this.leases.countByNamespace()
      this.isTentative = this.wrote()
    }
    return this.counts
  }

  /** A row was made, changed or deleted. */
  changed(before: LeaseRow | undefined, after: LeaseRow | undefined): void {
    if (!this.counts) return
    if (before && isInUse(before)) this.add(before.namespace, -1)
    if (after && isInUse(after)) this.add(after.namespace, 1)
  }

  private add(namespace: string, by: number): void {
    this.bump(namespace, by)
    this.undo.push([namespace, by])
  }

  private bump(namespace: string, by: number): void {
    const count = (this.counts?.get(namespace) ?? 0) + by
    if (count === 0) this.counts?.delete(namespace)
    else this.counts?.set(namespace, count)
  }

  committed(): void {
    this.undo = []
    this.isTentative = false
  }

  rolledBack(): void {
    if (this.isTentative) this.counts = undefined
    else for (const [namespace, by] of this.undo) this.bump(namespace, -by)
    this.committed()
  }
}
