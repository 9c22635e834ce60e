import type { Answer, Intent } from './history.ts'
import { isKept, isObject, parse } from './history.ts'

const REQUEST_LIMIT_MS = 20_000
const RETRY_PAUSE_MS = 40
/** How long a request may stay without a final answer while the server runs. */
const ANSWER_LIMIT_MS = 30_000

export interface Wish {
  readonly kind: Intent['kind']
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly contentType?: string
  readonly key?: string
  readonly names?: readonly string[]
}

/** Sends requests and keeps the history. Knows the server by its address only. */
export class Recorder {
  readonly intents: Intent[] = []
  requests = 0
  url = ''
  private readonly startedMs = performance.now()

  nowMs(): number {
    return performance.now() - this.startedMs
  }

  /** Sends a request once and follows a 202; leaves it unanswered when the connection breaks. */
  async send(client: number, wish: Wish): Promise<Intent> {
    const intent: Intent = {
      number: this.intents.length,
      client,
      kind: wish.kind,
      method: wish.method,
      path: wish.path,
      names: wish.names ?? [],
      invokedMs: this.nowMs(),
      attempts: 0,
      answers: [],
      ...(wish.body === undefined ? {} : { body: wish.body }),
      ...(wish.contentType === undefined ? {} : { contentType: wish.contentType }),
      ...(wish.key === undefined ? {} : { key: wish.key }),
    }
    this.intents.push(intent)
    await this.attempt(intent)
    return intent
  }

  /** Repeats every unanswered request until it is answered for good. Returns those that never were. */
  async retryUnanswered(): Promise<Intent[]> {
    const open = this.intents.filter((intent) => !intent.final)
    await Promise.all(open.map((intent) => this.untilFinal(intent)))
    return open.filter((intent) => !intent.final)
  }

  /** Sends an answered request again under its key; the answer is added to its answers. */
  async repeat(intent: Intent): Promise<void> {
    const answer = await this.once(intent)
    if (answer) intent.answers.push(answer)
  }

  async get(
    path: string,
  ): Promise<{ readonly status: number; readonly body: unknown; readonly text: string }> {
    this.requests++
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(REQUEST_LIMIT_MS) })
    const text = await response.text()
    return { status: response.status, body: parse(text), text }
  }

  private async untilFinal(intent: Intent): Promise<void> {
    const deadline = performance.now() + ANSWER_LIMIT_MS
    while (!intent.final && performance.now() < deadline) {
      await this.attempt(intent)
      if (!intent.final) await pause()
    }
  }

  private async attempt(intent: Intent): Promise<void> {
    const answer = await this.once(intent)
    if (!answer) return
    intent.answers.push(answer)
    if (answer.status === 202) {
      // The operation goes on; once it has ended, the key gives its result.
      if (await this.operationEnded(answer)) await this.attempt(intent)
      return
    }
    // 503 says "ask again"; the other retryable answers are answers too.
    if (answer.status !== 503 && answer.status !== 429) intent.final = answer
  }

  private async operationEnded(answer: Answer): Promise<boolean> {
    const body = parse(answer.text)
    const id = isObject(body) && typeof body.id === 'string' ? body.id : undefined
    if (!id) return false
    const deadline = performance.now() + ANSWER_LIMIT_MS
    try {
      while (performance.now() < deadline) {
        const operation = await this.get(`/v1/operations/${encodeURIComponent(id)}`)
        if (!isObject(operation.body) || operation.body.state !== 'running') return true
        await pause()
      }
    } catch {
      // The server is gone; the retry after its restart goes on from here.
    }
    return false
  }

  private async once(intent: Intent): Promise<Answer | undefined> {
    intent.attempts++
    this.requests++
    const headers: Record<string, string> = {}
    if (intent.contentType) headers['Content-Type'] = intent.contentType
    if (intent.key) headers['Idempotency-Key'] = intent.key
    try {
      const response = await fetch(this.url + intent.path, {
        method: intent.method,
        headers,
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
        ...(intent.body === undefined ? {} : { body: intent.body }),
      })
      const text = await response.text()
      return { status: response.status, text, returnedMs: this.nowMs() }
    } catch {
      return undefined
    }
  }
}

/** It may be sent again at any time, and must be answered as before. */
export const isRepeatable = (intent: Intent) =>
  intent.kind !== 'dry-run' && intent.key !== undefined && intent.final !== undefined && isKept(intent.final)

const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS))
