import type { Clock } from '../clock.ts'
import { type ElapsedState, elapse, SLOW } from '../elapsed.ts'
import { formatAddress } from '../ipam/address.ts'
import { PageError } from '../ipam/page.ts'
import { SubnetAllocator } from '../ipam/subnet.ts'
import type { Mark, SubnetConfig } from '../ipam/types.ts'
import type { Random } from '../random.ts'
import type { Sql } from '../sql.ts'
import { nextLanded } from './announced.ts'
import { type AuditMoment, AuditTable } from './audit.ts'
import { ClaimTable } from './claims.ts'
import { CountersDue } from './counters-due.ts'
import { type Counts, count, type ExcludeTest, excludesOf, noCounts } from './counts.ts'
import { configOf, plainOf } from './facts.ts'
import { Feed, type FeedType, feedTypeOf, toldOf } from './feed.ts'
import { IdempotencyTable } from './idempotency.ts'
import { type LeaseRow, LeaseTable } from './lease.ts'
import { type LeaseTag, SqlLeaseIndex } from './lease-index.ts'
import { Lifetimes } from './lifetime.ts'
import { Notes } from './notes.ts'
import { OpTable } from './op.ts'
import { Outbox } from './outbox.ts'
import { SqlPageStore } from './pages.ts'
import { applyPools, withPools } from './pools.ts'
import type { Answer, LeaseView, Mode, SubnetFacts } from './port.ts'
import type { LedgerSettings } from './settings.ts'
import { isForOthers, SharedMarks } from './shared-marks.ts'
import { Sightings } from './sightings.ts'
import { Usage } from './usage.ts'

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
  readonly claims: ClaimTable
  readonly notes: Notes
  readonly sightings: Sightings
  readonly outbox: Outbox
  readonly feed: Feed
  readonly counters: CountersDue
  readonly audit: AuditTable
  readonly lifetimes: Lifetimes
  /** What other clusters of a shared space are to be told. */
  readonly shared: SharedMarks
  /** Reservations by namespace. */
  readonly usage: Usage
  private record: SubnetRecord | undefined
  private allocating: SubnetAllocator<LeaseTag> | undefined
  private counted: Counts
  private elapsed: ElapsedState
  private excluding: (ExcludeTest & { readonly config: SubnetConfig }) | undefined
  private unwindowed: { readonly facts: SubnetFacts; readonly config: SubnetConfig } | undefined
  private earliestDueMs: number | undefined
  /** Whether the running transaction has written anything. */
  private wrote = false
  /** meta rows read or written so far; the table is small and this object its only writer. */
  private readonly metaCache = new Map<string, string | undefined>()
  /** The last sweep of keys and closed operations did not get through. */
  sweeping = false
  private closed: { op: string; answer: Answer }[] = []
  private touched: string[] = []
  private readonly touchListeners: ((op: string) => void)[] = []
  private readonly listeners: ((op: string, answer: Answer) => void)[] = []

  constructor(ports: SpacePorts) {
    const { sql } = ports
    this.sql = {
      ...sql,
      run: (statement, ...parameters) => {
        this.wrote = true
        return sql.run(statement, ...parameters)
      },
    }
    this.clock = ports.clock
    this.random = ports.random
    this.settings = ports.settings
    this.leases = new LeaseTable(this.sql, (before, after) => {
      this.recounted(before, after)
      this.usage.changed(before, after)
      this.tell(before, after)
      this.markForOthers(before, after)
      this.audit.changed(before, after, (id) => this.ops.get(id))
    })
    this.audit = new AuditTable(this.sql)
    this.lifetimes = new Lifetimes(this.sql)
    this.usage = new Usage(this.leases, () => this.wrote)
    this.feed = new Feed(this.sql, this.random)
    this.ops = new OpTable(this.sql, (ledgerMs) => this.dueAt(ledgerMs))
    this.keys = new IdempotencyTable(this.sql)
    this.pages = new SqlPageStore(this.sql)
    this.claims = new ClaimTable(this.sql, (ledgerMs) => this.dueAt(ledgerMs))
    this.notes = new Notes(this.sql)
    this.sightings = new Sightings(this.sql)
    this.outbox = new Outbox(this.sql, (ledgerMs) => this.dueAt(ledgerMs))
    this.counters = new CountersDue((ledgerMs) => this.dueAt(ledgerMs))
    this.shared = new SharedMarks(this.sql, (ledgerMs) => this.dueAt(ledgerMs))
    const state = this.sql.first<{ ledger_ms: number; slow_ms: number; wall_ms: number; counts: string }>(
      `SELECT ledger_ms, slow_ms, wall_ms, counts FROM state WHERE id = 0`,
    )
    this.elapsed = state
      ? { ledgerMs: state.ledger_ms, slowMs: state.slow_ms, wallMs: state.wall_ms }
      : { ledgerMs: 1, slowMs: 1, wallMs: this.clock.nowMs() }
    this.counted = state ? (JSON.parse(state.counts) as Counts) : noCounts()
    this.load()
    this.join()
    // Whether the last change was told is not known any more.
    if (this.record) this.countersChanged()
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

  /** Slow ledger time, ms (elapsed.ts). */
  get slowMs(): number {
    return this.elapsed.slowMs
  }

  /** Slow ledger time until which what is written now under a key is kept, with the operation that answers it. */
  get keptUntilMs(): number {
    return this.slowMs + this.settings.keyMs + SLOW.leewayMs
  }

  get allocator(): SubnetAllocator<LeaseTag> {
    if (!this.allocating) throw new Error('the space has no Subnet yet')
    return this.allocating
  }

  get config(): SubnetConfig {
    return this.allocator.config
  }

  /**
   * Ledger time before which nothing is due: an operation to take over, a cool-down or an announcement to end, something to tell. It may be early (what was
   * due has been done since), never late. Undefined when nothing waits.
   */
  get dueMs(): number | undefined {
    return this.earliestDueMs
  }

  /** Something will be due at this ledger time. */
  dueAt(ledgerMs: number): void {
    if (this.earliestDueMs === undefined || ledgerMs < this.earliestDueMs) this.earliestDueMs = ledgerMs
  }

  /** Looks up when something is due, after the alarm has done what was. */
  findDue(): void {
    const due = [
      this.ops.nextDue(),
      this.leases.nextCooled(),
      this.claims.nextDue(),
      this.outbox.nextDue(),
      this.counters.dueMs,
      this.settings.sharedSpace === undefined ? undefined : this.shared.nextDue(),
      nextLanded(this),
    ].filter((at) => at !== undefined)
    this.earliestDueMs = due.length > 0 ? Math.min(...due) : undefined
  }

  /** How what begins now is done. */
  get mode(): Mode {
    return this.meta('mode') === 'beside' ? 'beside' : 'alone'
  }

  /** Somebody who knows says how; the caller is in a transaction. */
  told(mode: Mode | undefined): void {
    if (mode !== undefined && mode !== this.mode) this.setMeta('mode', mode)
  }

  /** What an item of an operation that begins now has besides. */
  get begun(): { readonly beside?: true } {
    return this.mode === 'beside' ? { beside: true } : {}
  }

  /** Called after the commit of each transaction that closed an operation. */
  onClosed(listener: (op: string, answer: Answer) => void): void {
    this.listeners.push(listener)
  }

  /** Called after the commit of each transaction that brought news an operation waits for. */
  onTouched(listener: (op: string) => void): void {
    this.touchListeners.push(listener)
  }

  /** Whoever listens to this operation is to go on once the running transaction has committed. */
  touch(op: string): void {
    this.touched.push(op)
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
    const before: Before = {
      record: this.record,
      allocator: this.allocating,
      counts: this.counted,
      mark: this.allocating?.mark(),
    }
    this.elapsed = elapse(this.elapsed, this.clock.nowMs())
    this.closed = []
    this.wrote = false
    this.touched = []
    let refused: { value: T } | undefined
    try {
      const value = this.sql.transaction(() => {
        const verdict = work()
        if (!verdict.commit) {
          refused = { value: verdict.value }
          // An error on its way through the storage costs as much as a whole call; with nothing written there is no need.
          if (!this.wrote) return verdict.value
          throw new RolledBack()
        }
        if (this.allocating) this.pages.save(this.allocating.takeDirtyPages())
        this.leases.flush()
        this.audit.write(() => this.moment())
        this.saveState()
        return verdict.value
      })
      if (refused) {
        this.takeBack(before)
        return value
      }
      if (before.mark) before.allocator?.settle(before.mark)
      this.leases.committed()
      this.usage.committed()
      this.ops.committed()
      const closed = this.closed
      this.closed = []
      const touched = this.touched
      this.touched = []
      for (const op of touched) for (const listener of this.touchListeners) listener(op)
      for (const { op, answer } of closed) for (const listener of this.listeners) listener(op, answer)
      return value
    } catch (error) {
      this.takeBack(before)
      if (refused) return refused.value
      throw error
    }
  }

  /** Memory as it was before a transaction that came to nothing. */
  private takeBack(before: Before): void {
    this.record = before.record
    this.counted = before.counts
    this.allocating = before.allocator
    if (before.mark) before.allocator?.rollback(before.mark)
    this.closed = []
    this.leases.rolledBack()
    this.usage.rolledBack()
    this.ops.rolledBack()
    this.audit.rolledBack()
    if (!this.wrote) return
    this.metaCache.clear()
    this.lifetimes.rolledBack()
    this.claims.rolledBack()
    this.notes.rolledBack()
    this.outbox.rolledBack()
  }

  /** Makes `record` with `config` the space's Subnet; the caller is in a transaction. A changed config is the caller's to apply. */
  adopt(record: SubnetRecord, config: SubnetConfig): void {
    this.record = record
    this.setMeta('subnet', JSON.stringify(record))
    this.countersChanged()
    if (!this.allocating) this.allocating = this.allocatorFor(record, config)
  }

  /** Forgets the Subnet and every derived page; the caller is in a transaction and has seen that no row is left. */
  forget(): void {
    this.record = undefined
    this.allocating = undefined
    this.counted = noCounts()
    this.deleteMeta('subnet')
    this.pages.clear()
    // Keys, and the operations they name, outlive it for their 24 h: a Subnet made anew under this name must not carry out
    // again what a key was answered in this one.
    this.claims.clear()
    this.sightings.clear()
    this.outbox.clear()
    this.deleteMeta('listing')
    this.deleteMeta('observed')
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
    if (this.excluding?.config !== this.plain) this.excluding = excludesOf(this.plain)
    return this.excluding
  }

  /** The Subnet as the cluster has it: without what a window or a policy makes of it for the allocator (facts.ts). */
  get plain(): SubnetConfig {
    const facts = this.record?.facts
    if (!facts?.window && !facts?.terms?.policy) return this.config
    if (this.unwindowed?.facts !== facts) this.unwindowed = { facts, config: plainOf(facts) }
    return this.unwindowed.config
  }

  /** A row as others see it. */
  view(row: LeaseRow, state: LeaseRow['state'] | 'free' = row.state): LeaseView {
    const facts = this.record?.facts
    if (!facts) throw new Error('a row without a Subnet')
    const notes = this.notes.of(row.id)
    const lifetime = this.lifetimes.of(row.id)
    return {
      id: row.id,
      state,
      contested: row.contested || this.isOutdone(row) || this.notes.get(row.id, 'elsewhere') !== undefined,
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
      ...(lifetime === undefined ? {} : { expiresAt: lifetime.expiresAt }),
      ...(lifetime?.overdue ? { overdue: true } : {}),
      ...(notes.length === 0 ? {} : { notes }),
      createdAt: row.createdAt,
    }
  }

  /**
   * Contests that the Subnet itself shows, said for as long as they last: a gateway was moved onto a promise (faults.md
   * 59), or the CIDR contains a stranded one again and somebody else has its address.
   */
  private isOutdone(row: LeaseRow): boolean {
    if (row.state === 'quarantined' || row.state === 'foreign') return false
    const { isGateway, in4, in6 } = this.excludes()
    if (isGateway(row)) return true
    return row.state === 'stranded' && (row.v4 === null || in4(row.v4)) && (row.v6 === null || in6(row.v6))
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
      `INSERT INTO state (id, ledger_ms, slow_ms, wall_ms, counts) VALUES (0, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET ledger_ms = excluded.ledger_ms, slow_ms = excluded.slow_ms,
           wall_ms = excluded.wall_ms, counts = excluded.counts`,
      this.elapsed.ledgerMs,
      this.elapsed.slowMs,
      this.elapsed.wallMs,
      JSON.stringify(this.counted),
    )
  }

  private moment(): AuditMoment {
    const facts = this.record?.facts
    if (!facts) throw new Error('a reservation without a Subnet')
    return {
      space: `${facts.cluster}/${facts.name}`,
      wallMs: this.clock.nowMs(),
      slowMs: this.slowMs,
      op: (id) => this.ops.get(id),
      lifetime: (id) => this.lifetimes.of(id),
    }
  }

  /** Leaves word of a change, in the transaction that makes it. */
  private tell(before: LeaseRow | undefined, after: LeaseRow | undefined): void {
    const type = this.settings.feed ? feedTypeOf(before, after) : undefined
    const row = after ?? before
    if (type === undefined || !row) return
    this.tellOf(type, row.nic, toldOf(this.view(row, after?.state ?? 'free')))
  }

  /** Leaves word that somebody else is there too. */
  tellContested(row: LeaseRow): void {
    this.tellOf('contested', row.nic, toldOf(this.view(row)))
  }

  /** Leaves word that its time is about to be over. */
  tellExpiring(row: LeaseRow): void {
    this.tellOf('expiring', row.nic, toldOf(this.view(row)))
  }

  private markForOthers(before: LeaseRow | undefined, after: LeaseRow | undefined): void {
    const row = after ?? before
    if (this.settings.sharedSpace === undefined || !row || !isForOthers(before, after)) return
    this.shared.put(row, this.nowMs)
  }

  /** A Subnet that has become a member of a shared space tells what it has. */
  private join(): void {
    const { sharedSpace } = this.settings
    if (sharedSpace === undefined || this.meta('sharedSpace') === sharedSpace) return
    this.sql.transaction(() => {
      this.setMeta('sharedSpace', sharedSpace)
      this.shared.putAll(this.nowMs)
    })
  }

  /** Leaves word of something that happened here. */
  tellOf(type: FeedType, subject: string, data: unknown): void {
    const facts = this.record?.facts
    if (!this.settings.feed || !facts) return
    this.feed.put(`${facts.cluster}/${facts.name}`, type, subject, data, this.clock.nowMs())
  }

  private recounted(before: LeaseRow | undefined, after: LeaseRow | undefined): void {
    const excludes = this.excludes()
    if (before) this.counted = count(this.counted, before, -1, excludes)
    if (after) this.counted = count(this.counted, after, 1, excludes)
    if (after?.freeMs != null) this.dueAt(after.freeMs)
    this.countersChanged()
  }

  private countersChanged(): void {
    if (this.settings.mirrored) this.counters.changed(this.nowMs)
  }
}

/** What a transaction may change in memory. */
interface Before {
  readonly record: SubnetRecord | undefined
  readonly allocator: SubnetAllocator<LeaseTag> | undefined
  readonly counts: Counts
  readonly mark: Mark | undefined
}

/** Makes the storage roll back a transaction that was refused, not broken. */
class RolledBack extends Error {}
