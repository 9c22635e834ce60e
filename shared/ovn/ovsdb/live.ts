import type { Clock } from '../../clock.ts'
import { err, ok, type Result } from '../../result.ts'
import type { Tcp, TcpStream } from '../../tcp.ts'
import { type CallFailure, Connection } from './connection.ts'
import type { Json } from './json.ts'
import {
  DATABASE_COLUMNS,
  DATABASE_TABLE,
  type DatabaseStatus,
  SERVER_DATABASE,
  type Seen,
  seenAfter,
  statusOf,
  verdictOf,
} from './leadership.ts'
import type { OvsdbLimits } from './limits.ts'
import type { Remote } from './remotes.ts'
import { Replica } from './replica.ts'
import { readSchema, type Schema } from './schema.ts'

/** A connection to a server that may be asked. Closes itself when that ends. */
export interface Live {
  readonly remote: Remote
  readonly connection: Connection
  readonly schema: Schema
  readonly clustered: boolean
}

export interface NotLive {
  /** The server speaks OVSDB and cannot be asked, rather than being out of reach. */
  readonly answered: boolean
  readonly why: string
}

export interface LiveParts {
  readonly tcp: Tcp
  readonly clock: Clock
  readonly limits: OvsdbLimits
  readonly remote: Remote
  readonly database: string
  readonly replicas: readonly Replica[]
  readonly seen: () => Seen | undefined
  readonly onSeen: (seen: Seen | undefined) => void
}

const SERVER_MONITOR = 'server'

/** Connects, asks who leads, reads the schema and brings the replicas up to date. */
export async function openLive(parts: LiveParts): Promise<Result<Live, NotLive>> {
  const { tcp, clock, limits, remote } = parts
  const stream = await connectWithin(tcp, clock, remote, limits.connectMs)
  if (!stream.ok) return err({ answered: false, why: stream.error })
  const opening = new Opening(parts, stream.value)
  const live = await opening.open()
  if (!live.ok) opening.connection.close(live.error.why)
  return live
}

class Opening {
  readonly connection: Connection
  readonly #parts: LiveParts
  readonly #server: Replica
  readonly #monitors = new Map<string, Replica>()
  #watched = false
  #closedWhy = ''

  constructor(parts: LiveParts, stream: TcpStream) {
    this.#parts = parts
    this.#server = new Replica(DATABASE_TABLE, DATABASE_COLUMNS, () => this.#look())
    this.connection = new Connection({
      stream,
      clock: parts.clock,
      limits: parts.limits,
      onNotification: (method, params) => this.#hear(method, params),
      onClose: (why) => {
        this.#closedWhy = why
      },
    })
  }

  async open(): Promise<Result<Live, NotLive>> {
    const { remote, database, limits } = this.#parts
    const server = await this.#readSchema(SERVER_DATABASE)
    if (!server.ok) return server
    const watching = await this.#monitor(server.value, SERVER_MONITOR, this.#server, limits.connectMs)
    if (!watching.ok) return watching
    this.#watched = true
    const status = this.#status()
    if (!status.ok) return err({ answered: true, why: status.error })
    const schema = await this.#readSchema(database)
    if (!schema.ok) return schema
    for (const [index, replica] of this.#parts.replicas.entries()) {
      const begun = await this.#monitor(schema.value, `replica-${index}`, replica, limits.monitorMs)
      if (!begun.ok) return begun
    }
    if (!this.connection.isOpen) return err({ answered: true, why: this.#closedWhy })
    return ok({
      remote,
      connection: this.connection,
      schema: schema.value,
      clustered: status.value.clustered,
    })
  }

  async #readSchema(database: string): Promise<Result<Schema, NotLive>> {
    const reply = await this.connection.call('get_schema', [database], this.#parts.limits.connectMs)
    if (!reply.ok) return this.#failed(reply.error)
    const schema = readSchema(reply.value)
    return schema.ok ? schema : err({ answered: true, why: schema.error })
  }

  async #monitor(
    schema: Schema,
    id: string,
    replica: Replica,
    limitMs: number,
  ): Promise<Result<void, NotLive>> {
    // Changes may arrive in the same segment as the reply and are applied after it: see #hear.
    this.#monitors.set(id, replica)
    const reply = await this.connection.call(
      'monitor_cond_since',
      replica.params(schema, id),
      limitMs,
      (result) => {
        const begun = replica.begin(result)
        if (!begun.ok) this.connection.close(`the server sent ${begun.error}`)
      },
    )
    if (!reply.ok) return this.#failed(reply.error)
    return this.connection.isOpen ? ok(undefined) : err({ answered: true, why: this.#closedWhy })
  }

  #failed(failure: CallFailure): Result<never, NotLive> {
    return err({ answered: failure.reason === 'error', why: failure.message })
  }

  #hear(method: string, params: readonly Json[]): void {
    const [id, last, updates] = params
    if (method === 'monitor_canceled') {
      this.connection.close('the database is about to change its schema')
      return
    }
    const replica = method === 'update3' && typeof id === 'string' ? this.#monitors.get(id) : undefined
    if (!replica) return
    const applied = replica.follow(last, updates)
    if (!applied.ok) this.connection.close(`the server sent ${applied.error}`)
  }

  /** A server that no longer leads is left at once; what it was asked is then open. */
  #look(): void {
    if (!this.#watched) return
    const status = this.#status()
    if (!status.ok) this.connection.close(status.error)
  }

  #status(): Result<DatabaseStatus, string> {
    const { database, seen, onSeen } = this.#parts
    const status = statusOf(database, this.#server.rows.values())
    if (!status.ok) return status
    const verdict = verdictOf(status.value, seen())
    if (verdict.kind === 'pass' || !status.value) {
      return err(WORDS[verdict.kind === 'pass' ? verdict.why : 'unserved'])
    }
    onSeen(seenAfter(status.value, seen()))
    return ok(status.value)
  }
}

const WORDS = {
  unserved: 'does not serve this database',
  disconnected: 'has lost its cluster',
  follower: 'is not the leader',
  behind: 'is behind what was seen elsewhere',
} as const

async function connectWithin(
  tcp: Tcp,
  clock: Clock,
  remote: Remote,
  limitMs: number,
): Promise<Result<TcpStream, string>> {
  const giveUp = new AbortController()
  const enough = new AbortController()
  const late = `no connection within ${limitMs} ms`
  const timer = clock.sleep(limitMs, enough.signal).then(() => undefined)
  const connecting = tcp.connect(remote, giveUp.signal)
  // One that is made after all is not left open.
  connecting.then(
    (stream) => giveUp.signal.aborted && stream.close(),
    () => {},
  )
  try {
    const stream = await Promise.race([connecting, timer])
    if (stream) return ok(stream)
    giveUp.abort()
    return err(late)
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error))
  } finally {
    enough.abort()
  }
}
