import type { Clock } from '../../clock.ts'
import type { Random } from '../../random.ts'
import { err, ok, type Result } from '../../result.ts'
import type { Tcp } from '../../tcp.ts'
import type { CallFailure } from './connection.ts'
import type { Seen } from './leadership.ts'
import { OVSDB_LIMITS, type OvsdbLimits } from './limits.ts'
import { type Live, openLive } from './live.ts'
import {
  isNothingDone,
  type Operation,
  type OperationResult,
  readTransacted,
  transactParams,
} from './messages.ts'
import type { Remote } from './remotes.ts'
import type { Replica } from './replica.ts'
import type { Schema } from './schema.ts'

/** Why a transaction has no results. */
export interface OvsdbFailure {
  /**
   * `failed`: the database refused it. `no_leader`: the servers answer, and none leads. `unreachable`: none answers.
   * `lost`: no reply to what was sent. `malformed`: a reply that is none.
   */
  readonly reason: 'failed' | 'no_leader' | 'unreachable' | 'lost' | 'malformed'
  readonly message: string
  /** `refused`: certainly not carried out. `unknown`: may have been carried out, or may be still. */
  readonly outcome: 'refused' | 'unknown'
  /** For `failed`: the error's own word (RFC 7047 §3.1), and the operation it is about. */
  readonly error?: string
  readonly at?: number | 'commit'
}

export interface SessionStatus {
  readonly state: 'idle' | 'connecting' | 'connected'
  /** The server that is asked, as it was written. */
  readonly remote?: string
  readonly clustered?: boolean
  /** Why there is no connection, when there was a try. */
  readonly lastFailure?: OvsdbFailure
}

export interface SessionParts {
  readonly tcp: Tcp
  readonly clock: Clock
  readonly random: Random
  readonly remotes: readonly Remote[]
  readonly database: string
  /** Tables to keep here; as new as every reply (their changes are applied before it is handed out). */
  readonly replicas?: readonly Replica[]
  readonly limits?: Partial<OvsdbLimits>
}

/**
 * A session with a database on one or several servers: connects when first asked, goes to the leader of a cluster and
 * leaves it when it leads no longer, comes back after a failure with growing waits. Transactions are sent once; only
 * the caller knows whether one may be repeated.
 *
 *     const session = new Session({ tcp, clock, random, remotes, database: 'OVN_Northbound' })
 *     const reply = await session.transact([{ op: 'select', table: 'Logical_Switch', where: [], columns: ['name'] }])
 */
export class Session {
  readonly #parts: SessionParts
  readonly #limits: OvsdbLimits
  #live: Live | undefined
  /** The round of tries under way; all who wait share it. */
  #round: Promise<void> | undefined
  #next = 0
  /** Rounds in vain since the last reply. */
  #barren = 0
  #seen: Seen | undefined
  #lastFailure: OvsdbFailure | undefined
  readonly #over = new AbortController()

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#limits = { ...OVSDB_LIMITS, ...parts.limits }
  }

  /** The database's schema; connects if need be. */
  async schema(): Promise<Result<Schema, OvsdbFailure>> {
    const live = await this.#ready(this.#limits.callMs)
    return live.ok ? ok(live.value.schema) : live
  }

  /** All of the operations, or none. Never throws for an expected failure. */
  async transact(
    operations: readonly Operation[],
  ): Promise<Result<readonly OperationResult[], OvsdbFailure>> {
    const live = await this.#ready(this.#limits.callMs)
    if (!live.ok) return live
    const params = transactParams(this.#parts.database, operations)
    const result = await live.value.connection.call('transact', params, this.#limits.callMs)
    if (!result.ok) return err(failureOfCall(result.error))
    this.#barren = 0
    const transacted = readTransacted(operations, result.value)
    if (!transacted.ok) {
      live.value.connection.close(`the server sent ${transacted.error}`)
      return err({ reason: 'malformed', message: transacted.error, outcome: 'unknown' })
    }
    if (transacted.value.kind === 'done') return ok(transacted.value.results)
    const { at, error, details } = transacted.value
    const outcome = isNothingDone(transacted.value) ? 'refused' : 'unknown'
    return err({ reason: 'failed', message: details ? `${error}: ${details}` : error, outcome, error, at })
  }

  status(): SessionStatus {
    if (this.#live?.connection.isOpen) {
      return { state: 'connected', remote: this.#live.remote.text, clustered: this.#live.clustered }
    }
    const failure = this.#lastFailure === undefined ? {} : { lastFailure: this.#lastFailure }
    return { state: this.#round ? 'connecting' : 'idle', ...failure }
  }

  /** Ends it for good. */
  close(): void {
    this.#over.abort()
    this.#live?.connection.close('the session was closed')
  }

  /** A connection to a server that may be asked, or why there is none within `limitMs`. Nothing was sent then. */
  async #ready(limitMs: number): Promise<Result<Live, OvsdbFailure>> {
    const enough = new AbortController()
    let late = false
    const timer = this.#parts.clock.sleep(limitMs, enough.signal).then(() => {
      late = true
    })
    try {
      for (;;) {
        if (this.#over.signal.aborted) return err(unsent('the session was closed'))
        if (this.#live?.connection.isOpen) return ok(this.#live)
        if (late) return err(this.#lastFailure ?? unsent(`no connection within ${limitMs} ms`))
        this.#round ??= this.#tryAll().finally(() => {
          this.#round = undefined
        })
        await Promise.race([this.#round, timer])
      }
    } finally {
      enough.abort()
    }
  }

  /** One round over the remotes, beginning where the last good one was, after a wait that grows with barren rounds. */
  async #tryAll(): Promise<void> {
    const { clock, remotes } = this.#parts
    if (this.#barren > 0) await clock.sleep(this.#backoffMs(), this.#over.signal)
    this.#barren++
    const failures: OvsdbFailure[] = []
    for (let i = 0; i < remotes.length; i++) {
      if (this.#over.signal.aborted) return
      const at = (this.#next + i) % remotes.length
      const opened = await this.#try(remotes[at]!)
      if (opened.ok) {
        this.#next = at
        this.#live = opened.value
        this.#lastFailure = undefined
        return
      }
      failures.push(opened.error)
    }
    // The next round begins elsewhere: a server may answer and never do.
    this.#next = (this.#next + 1) % remotes.length
    const words = failures.map((failure) => failure.message).join('; ')
    const answered = failures.some((failure) => failure.reason === 'no_leader')
    this.#lastFailure = { reason: answered ? 'no_leader' : 'unreachable', message: words, outcome: 'refused' }
  }

  async #try(remote: Remote): Promise<Result<Live, OvsdbFailure>> {
    const { tcp, clock, database, replicas = [] } = this.#parts
    const opened = await openLive({
      tcp,
      clock,
      limits: this.#limits,
      remote,
      database,
      replicas,
      seen: () => this.#seen,
      onSeen: (seen) => {
        this.#seen = seen
      },
    })
    if (opened.ok) return opened
    const { answered, why } = opened.error
    return err({
      reason: answered ? 'no_leader' : 'unreachable',
      message: `${remote.text}: ${why}`,
      outcome: 'refused',
    })
  }

  /** Half of it certain, half by chance, so that many clients do not come at once. */
  #backoffMs(): number {
    const { backoffMs, backoffCapMs } = this.#limits
    const full = Math.min(backoffMs * 2 ** Math.min(this.#barren - 1, 16), backoffCapMs)
    const [chance = 0] = this.#parts.random.bytes(1)
    return Math.round(full / 2 + (full / 2) * (chance / 255))
  }
}

function unsent(message: string): OvsdbFailure {
  return { reason: 'unreachable', message, outcome: 'refused' }
}

function failureOfCall(failure: CallFailure): OvsdbFailure {
  const outcome = failure.open ? 'unknown' : 'refused'
  const reason = failure.reason === 'error' ? 'failed' : failure.open ? 'lost' : 'unreachable'
  return { reason, message: failure.message, outcome }
}
