import type { Clock } from '../../clock.ts'
import { err, ok, type Result } from '../../result.ts'
import type { TcpStream } from '../../tcp.ts'
import { Framing } from './framing.ts'
import { type Json, type JsonObject, jsonText } from './json.ts'
import type { OvsdbLimits } from './limits.ts'
import { errorWords, type Incoming, incoming, notification, reply, request } from './messages.ts'

/** Why a call has no result. */
export interface CallFailure {
  /** `error`: the other side refused. `late`: no reply in time. `closed`: the connection ended. */
  readonly reason: 'error' | 'late' | 'closed'
  readonly message: string
  /** The call may have reached the other side, which has not said what became of it. */
  readonly open: boolean
}

export interface ConnectionParts {
  readonly stream: TcpStream
  readonly clock: Clock
  readonly limits: OvsdbLimits
  readonly onNotification: (method: string, params: readonly Json[]) => void
  /** Once, when it is over, however that came. */
  readonly onClose: (why: string) => void
}

type Settle = (result: Result<Json, CallFailure>) => void

/**
 * JSON-RPC 1.0 over one byte stream (RFC 7047 §4): calls by id, echo both ways (§4.1.11), a probe of silence. Whatever
 * is not to be read ends the connection; nothing is skipped over. A reply to an id nobody waits for is one that came
 * after its time limit.
 */
export class Connection {
  readonly #parts: ConnectionParts
  readonly #framing: Framing
  readonly #encoder = new TextEncoder()
  readonly #waiting = new Map<number, Settle>()
  readonly #over = new AbortController()
  #lastId = 0
  #closed: string | undefined
  #sending: Promise<void> = Promise.resolve()
  #unsent = 0
  /** Since the last look: anything arrived; anybody called. */
  #heard = true
  #called = true

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    this.#framing = new Framing(parts.limits)
    void this.#read()
    void this.#probe()
    void this.#watchIdleness()
  }

  get isOpen(): boolean {
    return this.#closed === undefined
  }

  /**
   * Calls and waits for the reply's result. Past `limitMs` the call is cancelled (§4.1.4); a server that does not even
   * answer that is given up with its connection. `apply` sees the result before the next message is read.
   */
  async call(
    method: string,
    params: readonly Json[],
    limitMs: number,
    apply: (result: Json) => void = () => {},
  ): Promise<Result<Json, CallFailure>> {
    if (this.#closed !== undefined) return err({ reason: 'closed', message: this.#closed, open: false })
    this.#called = true
    const id = ++this.#lastId
    const answer = new Promise<Result<Json, CallFailure>>((resolve) => {
      this.#waiting.set(id, (result) => {
        if (result.ok) apply(result.value)
        resolve(result)
      })
    })
    this.#send(request(id, method, params))
    const inTime = await this.#within(answer, limitMs)
    if (inTime) return inTime
    const late = `no reply to ${method} within ${limitMs} ms`
    this.#send(notification('cancel', [id]))
    const cancelled = await this.#within(answer, this.#parts.limits.cancelMs)
    if (cancelled && !(cancelled.ok === false && cancelled.error.reason === 'closed')) {
      // Cancelled before it was carried out, or its result after all.
      return cancelled.ok ? cancelled : err({ ...cancelled.error, reason: 'late', message: late })
    }
    this.#waiting.delete(id)
    this.close(late)
    return err({ reason: 'late', message: late, open: true })
  }

  /** Ends it; calls under way fail. */
  close(why: string): void {
    if (this.#closed !== undefined) return
    this.#closed = why
    this.#over.abort()
    this.#parts.stream.close()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const settle of waiting) settle(err({ reason: 'closed', message: why, open: true }))
    this.#parts.onClose(why)
  }

  async #read(): Promise<void> {
    try {
      while (this.isOpen) {
        const chunk = await this.#parts.stream.read()
        if (!this.isOpen) return
        if (chunk === undefined) {
          return this.close(
            this.#framing.isBetween ? 'the server closed the connection' : 'a message broke off',
          )
        }
        this.#heard = true
        const { messages, fault } = this.#framing.push(chunk)
        for (const message of messages) this.#receive(message)
        if (fault !== undefined) return this.close(`the server sent ${fault}`)
      }
    } catch (error) {
      this.close(`the connection broke: ${wordsOf(error)}`)
    }
  }

  #receive(message: JsonObject): void {
    if (!this.isOpen) return
    const read = incoming(message)
    if (!read.ok) {
      this.close(`the server sent ${read.error}`)
      return
    }
    const got: Incoming = read.value
    switch (got.kind) {
      case 'request':
        if (got.method === 'echo') this.#send(reply(got.id, got.params))
        else
          this.#send(reply(got.id, null, { error: 'unknown method', details: 'a client answers echo only' }))
        return
      case 'notification':
        this.#parts.onNotification(got.method, got.params)
        return
      case 'reply': {
        const settle = typeof got.id === 'number' ? this.#waiting.get(got.id) : undefined
        if (!settle) return
        this.#waiting.delete(got.id as number)
        settle(got.error === null ? ok(got.result) : err(refusal(got.error)))
        return
      }
      default:
        got satisfies never
    }
  }

  #send(message: JsonObject): void {
    if (!this.isOpen) return
    const bytes = this.#encoder.encode(jsonText(message))
    this.#unsent += bytes.length
    if (this.#unsent > this.#parts.limits.unsentBytes) {
      this.close('the server does not read')
      return
    }
    this.#sending = this.#sending.then(async () => {
      if (!this.isOpen) return
      try {
        await this.#parts.stream.write(bytes)
        this.#unsent -= bytes.length
      } catch (error) {
        this.close(`the connection broke: ${wordsOf(error)}`)
      }
    })
  }

  /** The promise's value, or undefined when it takes longer than `limitMs`. */
  async #within<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
    const enough = new AbortController()
    const timer = this.#parts.clock.sleep(limitMs, enough.signal).then(() => undefined)
    try {
      return await Promise.race([promise, timer])
    } finally {
      enough.abort()
    }
  }

  /** Silence is answered with an echo; silence after that ends the connection. */
  async #probe(): Promise<void> {
    const { clock, limits } = this.#parts
    let asked = false
    for (;;) {
      await clock.sleep(limits.probeMs, this.#over.signal)
      if (!this.isOpen) return
      if (this.#heard) {
        this.#heard = false
        asked = false
      } else if (asked) {
        return this.close(`nothing heard for ${2 * limits.probeMs} ms`)
      } else {
        asked = true
        this.#send(request(++this.#lastId, 'echo', []))
      }
    }
  }

  async #watchIdleness(): Promise<void> {
    const { clock, limits } = this.#parts
    for (;;) {
      await clock.sleep(limits.idleMs, this.#over.signal)
      if (!this.isOpen) return
      if (!this.#called && this.#waiting.size === 0) return this.close('nobody asked for anything')
      this.#called = false
    }
  }
}

/** The other side answered with an error: whatever it was asked, it did not do. */
function refusal(error: Json): CallFailure {
  const { error: words, details } = errorWords(error)
  return { reason: 'error', message: details ? `${words}: ${details}` : words, open: false }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
