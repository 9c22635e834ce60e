import type { Clock } from '../clock.ts'
import { formatAddress } from '../ipam/address.ts'
import { PageError } from '../ipam/page.ts'
import { SubnetAllocator } from '../ipam/subnet.ts'
import type { SubnetConfig } from '../ipam/types.ts'
import type { Random } from '../random.ts'
import type { Sql } from '../sql.ts'
import { type Counts, count, type ExcludeTest, noCounts } from './counts.ts'
import { type ElapsedState, elapse } from './elapsed.ts'
import { configOf } from './facts.ts'
import { IdempotencyTable } from './idempotency.ts'
import { type LeaseRow, LeaseTable } from './lease.ts'
import { type LeaseTag, SqlLeaseIndex } from './lease-index.ts'
import { OpTable } from './op.ts'
import { SqlPageStore } from './pages.ts'
import { applyPools, withPools } from './pools.ts'
import type { Answer, LeaseView, SubnetFacts } from './port.ts'
import type { LedgerSettings } from './settings.ts'

/** What the `subnet` row of meta holds. */
export interface SubnetRecord {
  readonly facts: SubnetFacts
  /** Raised when a new Subnet takes the name of a deleted one. */
  readonly epoch: number
  /** The Subnet object is gone while rows are left: no new promise, releases go on. */
  readonly orphaned: boolean
}

export interface SpacePorts {
  readonly sql: Sql
  readonly clock: Clock
  readonly random: Random
  readonly settings: LedgerSettings
}

/** Commit what `work` wrote and return `value`, or take everything back and return `value`. */
export interface Verdict<T> {
  readonly commit: boolean
  readonly value: T
}

/**
 * One address space: its tables, its allocator and the transaction that keeps them in step. Whatever is in memory here
 * is derived from rows; a rolled back transaction takes memory back with it.
 */
export class Space {
  readonly sql: Sql
  readonly clock: Clock
  readonly random: Random
  readonly settings: LedgerSettings
  readonly leases: LeaseTable
  readonly ops: OpTable
  readonly keys: IdempotencyTable
  readonly pages: SqlPageStore
  private record: SubnetRecord | undefined
  private allocating: SubnetAllocator<LeaseTag> | undefined
  private counted: Counts
  private elapsed: ElapsedState
  private excluding: (ExcludeTest & { readonly config: SubnetConfig }) | undefined
  private earliestDueMs: number | undefined
  /** meta rows read or written so far; the table is small and this object its only writer. */
  private readonly metaCache = new Map<string, string | undefined>()
  private closed: { op: string; answer: Answer }[] = []
  private readonly listeners: ((op: string, answer: Answer) => void)[] = []

  constructor(ports: SpacePorts) {
    this.sql = ports.sql
    this.clock = ports.clock
    this.random = ports.random
    this.settings = ports.settings
    this.leases = new LeaseTable(this.sql, (before, after) => this.recounted(before, after))
    this.ops = new OpTable(this.sql, (ledgerMs) => this.dueAt(ledgerMs))
    this.keys = new IdempotencyTable(this.sql)
    this.pages = new SqlPageStore(this.sql)
    const state = this.sql.first<{ ledger_ms: number; wall_ms: number; counts: string }>(
      `SELECT ledger_ms, wall_ms, counts FROM state WHERE id = 0`,
    )
    this.elapsed = state
      ? { ledgerMs: state.ledger_ms, wallMs: state.wall_ms }
      : { ledgerMs: 1, wallMs: this.clock.nowMs() }
    this.counted = state ? (JSON.parse(state.counts) as Counts) : noCounts()
    this.load()
    this.findDue()
  }

  /** The Subnet, undefined while nobody told. */
  get subnet(): SubnetRecord | undefined {
    return this.record
  }

  get counts(): Counts {
    return this.counted
  }

  /** Ledger time, ms; within a transaction it stands still. */
  get nowMs(): number {
    return this.elapsed.ledgerMs
  }

  get allocator(): SubnetAllocator<LeaseTag> {
    if (!this.allocating) throw new Error('the space has no Subnet yet')
    return this.allocating
  }

  get config(): SubnetConfig {
    return this.allocator.config
  }

  /**
   * Ledger time before which nothing is due: an operation to take over, a cool-down to end. It may be early (what was
   * due has been done since), never late. Undefined when nothing waits.
   */
  get dueMs(): number | undefined {
    return this.earliestDueMs
  }

  /** Looks up when something is due, after the alarm has done what was. */
  findDue(): void {
    const due = [this.ops.nextDue(), this.leases.nextCooled()].filter((at) => at !== undefined)
    this.earliestDueMs = due.length > 0 ? Math.min(...due) : undefined
  }

  /** Called after the commit of each transaction that closed an operation. */
  onClosed(listener: (op: string, answer: Answer) => void): void {
    this.listeners.push(listener)
  }

  /** Announces an operation's answer once the running transaction has committed. */
  closing(op: string, answer: Answer): void {
    this.closed.push({ op, answer })
  }

  /** One state change: rows, pages, counts and clock commit together or not at all. */
  transaction<T>(work: () => Verdict<T>): T {
    try {
      return this.tried(work)
    } catch (error) {
      if (!(error instanceof PageError) || !this.record) throw error
      // A page read for the first time turned out damaged; nothing was written yet.
      this.rebuildPages(this.record, this.config)
      return this.tried(work)
    }
  }

  private tried<T>(work: () => Verdict<T>): T {
    const before = {
      record: this.record,
      allocator: this.allocating,
      counts: this.counted,
      mark: this.allocating?.mark(),
    }
    this.elapsed = elapse(this.elapsed, this.clock.nowMs())
    this.closed = []
    let refused: { value: T } | undefined
    try {
      const value = this.sql.transaction(() => {
        const verdict = work()
        if (!verdict.commit) {
          refused = { value: verdict.value }
          throw new RolledBack()
        }
        if (this.allocating) this.pages.save(this.allocating.takeDirtyPages())
        this.leases.flush()
        this.saveState()
        return verdict.value
      })
      if (before.mark) before.allocator?.settle(before.mark)
      this.leases.committed()
      this.ops.committed()
      const closed = this.closed
      this.closed = []
      for (const { op, answer } of closed) for (const listener of this.listeners) listener(op, answer)
      return value
    } catch (error) {
      this.record = before.record
      this.counted = before.counts
      this.allocating = before.allocator
      if (before.mark) before.allocator?.rollback(before.mark)
      this.closed = []
      this.metaCache.clear()
      this.leases.rolledBack()
      this.ops.rolledBack()
      if (refused) return refused.value
      throw error
    }
  }

  /** Makes `record` with `config` the space's Subnet; the caller is in a transaction. A changed config is the caller's to apply. */
  adopt(record: SubnetRecord, config: SubnetConfig): void {
    this.record = record
    this.setMeta('subnet', JSON.stringify(record))
    if (!this.allocating) this.allocating = this.allocatorFor(record, config)
  }

  /** Forgets the Subnet and every derived page; the caller is in a transaction and has seen that no row is left. */
  forget(): void {
    this.record = undefined
    this.allocating = undefined
    this.counted = noCounts()
    this.deleteMeta('subnet')
    this.pages.clear()
    // What was promised under a key here was promised in a Subnet that is no more.
    this.keys.clear()
    this.ops.clear()
  }

  /** Replaces the counts by a recount, after a change of what counts as excluded. */
  setCounts(counts: Counts): void {
    this.counted = counts
  }

  meta(key: string): string | undefined {
    if (!this.metaCache.has(key)) {
      this.metaCache.set(
        key,
        this.sql.first<{ value: string }>(`SELECT value FROM meta WHERE key = ?`, key)?.value,
      )
    }
    return this.metaCache.get(key)
  }

  setMeta(key: string, value: string): void {
    this.metaCache.set(key, value)
    this.sql.run(`INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)`, key, value)
  }

  deleteMeta(key: string): void {
    if (this.meta(key) === undefined) return
    this.metaCache.set(key, undefined)
    this.sql.run(`DELETE FROM meta WHERE key = ?`, key)
  }

  /** Which rows Kube-OVN's and the ledger's formulas count apart. */
  excludes(): ExcludeTest {
    if (this.excluding?.config !== this.config) this.excluding = excludesOf(this.config)
    return this.excluding
  }

  /** A row as others see it. */
  view(row: LeaseRow, state: LeaseRow['state'] | 'free' = row.state): LeaseView {
    const facts = this.record?.facts
    if (!facts) throw new Error('a row without a Subnet')
    return {
      id: row.id,
      state,
      contested: row.contested,
      cluster: facts.cluster,
      subnet: facts.name,
      provider: facts.provider,
      name: row.nic,
      namespace: row.namespace,
      podName: row.podName,
      podType: row.podType,
      v4: row.v4 === null ? '' : formatAddress(4, row.v4),
      v6: row.v6 === null ? '' : formatAddress(6, row.v6),
      mac: row.mac,
      pool: row.pool,
      epoch: row.epoch,
      operation: row.op,
      origin: row.origin,
      originEpoch: row.originEpoch,
      ...(row.uid === null ? {} : { uid: row.uid }),
      ...(row.rv === null ? {} : { resourceVersion: row.rv }),
      ...(row.objectAt === null ? {} : { objectAt: row.objectAt }),
      ...(row.reason === null ? {} : { reason: row.reason }),
      createdAt: row.createdAt,
    }
  }

  /** An empty, unconnected allocator for another shape of this space. */
  allocatorFor(record: SubnetRecord, config: SubnetConfig): SubnetAllocator<LeaseTag> {
    return new SubnetAllocator<LeaseTag>(config, {
      leases: new SqlLeaseIndex(this.leases, record.facts.provider),
      random: this.random,
      pages: this.pages,
    })
  }

  private load(): void {
    const stored = this.meta('subnet')
    if (stored === undefined) return
    const read = JSON.parse(stored) as SubnetRecord
    const record = { ...read, facts: withPools(read.facts) }
    const config = configOf(record.facts)
    if (!config.ok) throw new Error(`the stored Subnet cannot be read: ${config.error.detail}`)
    this.record = record
    try {
      if (this.pages.any()) {
        this.allocating = this.allocatorFor(record, config.value)
        return
      }
    } catch (error) {
      if (!(error instanceof PageError)) throw error
    }
    this.rebuildPages(record, config.value)
  }

  /** Pages that do not fit the rows are made anew from them: rows are the truth. */
  private rebuildPages(record: SubnetRecord, config: SubnetConfig): void {
    this.sql.transaction(() => {
      this.pages.clear()
      const allocator = this.allocatorFor(record, config)
      applyPools(allocator, record.facts.pools)
      for (const row of this.leases.all()) {
        if (row.v4 !== null) allocator.occupy(4, row.v4)
        if (row.v6 !== null) allocator.occupy(6, row.v6)
      }
      this.pages.save(allocator.takeDirtyPages())
      this.allocating = allocator
    })
  }

  private saveState(): void {
    this.sql.run(
      `INSERT INTO state (id, ledger_ms, wall_ms, counts) VALUES (0, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET ledger_ms = excluded.ledger_ms, wall_ms = excluded.wall_ms, counts = excluded.counts`,
      this.elapsed.ledgerMs,
      this.elapsed.wallMs,
      JSON.stringify(this.counted),
    )
  }

  private dueAt(ledgerMs: number): void {
    if (this.earliestDueMs === undefined || ledgerMs < this.earliestDueMs) this.earliestDueMs = ledgerMs
  }

  private recounted(before: LeaseRow | undefined, after: LeaseRow | undefined): void {
    const excludes = this.excludes()
    if (before) this.counted = count(this.counted, before, -1, excludes)
    if (after) this.counted = count(this.counted, after, 1, excludes)
    if (after?.freeMs != null) this.dueAt(after.freeMs)
  }
}

/** Makes the storage roll back a transaction that was refused, not broken. */
class RolledBack extends Error {}

function excludesOf(config: SubnetConfig): ExcludeTest & { readonly config: SubnetConfig } {
  const { v4, v6 } = config
  return {
    config,
    v4: (address) => v4?.excludes.has(address) ?? false,
    v6: (address) => v6?.excludes.has(address) ?? false,
    in4: (address) => v4 !== undefined && address >= v4.first && address <= v4.last,
    in6: (address) => v6 !== undefined && address >= v6.first && address <= v6.last,
    isGateway: (row) =>
      (row.v4 !== null && row.v4 === v4?.gateway) || (row.v6 !== null && row.v6 === v6?.gateway),
  }
}
