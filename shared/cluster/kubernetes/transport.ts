import type { Clock } from '../../clock.ts'
import type { Http } from '../../http.ts'
import { type PromiseHttpLibrary, type RequestContext, ResponseContext } from './client.ts'
import type { KubernetesLimits } from './limits.ts'

/** No whole reply. `sent`: the request may have reached the server. `again`: worth another try, if it was a read. */
export class CallFailed extends Error {
  readonly sent: boolean
  readonly again: boolean

  constructor(message: string, facts: { readonly sent: boolean; readonly again: boolean }) {
    super(message)
    this.sent = facts.sent
    this.again = facts.again
  }
}

/** The reply's body is longer than the limit. */
export class TooLong extends CallFailed {
  constructor(bytes: number) {
    super(`the reply is longer than ${bytes} bytes`, { sent: true, again: false })
  }
}

export interface TransportParts {
  readonly http: Http
  /** The current bearer token. Asked at the first call, and again when the server no longer accepts what it gave. */
  readonly token: () => Promise<string> | string
  readonly clock: Clock
  readonly limits: KubernetesLimits
}

export interface Outgoing {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends with the bearer token, never follows a redirect with it, and keeps it out of every message. */
export class Transport {
  readonly #parts: TransportParts
  #token: string | undefined

  constructor(parts: TransportParts) {
    this.#parts = parts
  }

  /**
   * The head of a reply. A 401 means that nothing was done: the token is asked for anew and, if it is another one, the
   * request is sent once more. Throws CallFailed.
   */
  async open(outgoing: Outgoing, signal: AbortSignal): Promise<Response> {
    const token = this.#token ?? (await this.#askToken())
    const reply = await this.#fetch(outgoing, token, signal)
    if (reply.status !== 401) return reply
    const fresh = this.#token === token ? await this.#askToken() : (this.#token ?? token)
    if (fresh === token) return reply
    void reply.body?.cancel().catch(() => {})
    return this.#fetch(outgoing, fresh, signal)
  }

  /** The HTTP library of the generated client: whole replies, within `limitMs`. */
  library(limitMs: number): PromiseHttpLibrary {
    return { send: (request) => this.#exchange(request, limitMs) }
  }

  /** The whole reply to a GET of JSON, whatever its code. Throws CallFailed. */
  async read(url: string, limitMs: number): Promise<{ readonly status: number; readonly text: string }> {
    return within(this.#parts.clock, limitMs, async (signal) => {
      const reply = await this.open({ url, method: 'GET', headers: { Accept: 'application/json' } }, signal)
      return { status: reply.status, text: await this.#text(reply) }
    })
  }

  /** The message of an error from the network, without the token. */
  wordsOf(error: unknown): string {
    return this.redact(error instanceof Error ? error.message : String(error))
  }

  redact(text: string): string {
    return this.#token ? text.replaceAll(this.#token, '[token]') : text
  }

  async #exchange(request: RequestContext, limitMs: number): Promise<ResponseContext> {
    const body = request.getBody()
    const method = request.getHttpMethod().toString()
    const outgoing: Outgoing = {
      url: request.getUrl(),
      method,
      headers: request.getHeaders(),
      ...(typeof body === 'string' ? { body } : {}),
    }
    return within(this.#parts.clock, limitMs, async (signal) => {
      const reply = await this.open(outgoing, signal)
      const text = await this.#text(reply)
      return new ResponseContext(reply.status, Object.fromEntries(reply.headers), {
        text: () => Promise.resolve(text),
        binary: () => Promise.reject(new Error('replies are text')),
        stream: () => null,
      })
    })
  }

  async #fetch({ url, method, headers, body }: Outgoing, token: string, signal: AbortSignal) {
    const request = new Request(url, {
      method,
      headers: { ...headers, Authorization: `Bearer ${token}` },
      redirect: 'manual',
      signal,
      ...(body === undefined ? {} : { body }),
    })
    try {
      return await this.#parts.http.fetch(request)
    } catch (error) {
      throw new CallFailed(`no reply: ${this.wordsOf(error)}`, { sent: true, again: true })
    }
  }

  async #askToken(): Promise<string> {
    let token: string
    try {
      token = (await this.#parts.token()).trim()
    } catch {
      // What it says may hold anything.
      throw new CallFailed('there is no token', { sent: false, again: false })
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new CallFailed('the token is not one line of visible ASCII', { sent: false, again: false })
    }
    this.#token = token
    return token
  }

  async #text(reply: Response): Promise<string> {
    const { bodyBytes } = this.#parts.limits
    if (!reply.body) return ''
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
    // The server says how long a small reply is, and HTTP holds it to that: nothing need be counted on the way.
    const said = Number(reply.headers.get('content-length') ?? Number.NaN)
    let text = ''
    let bytes = 0
    try {
      if (said <= bodyBytes && !reply.headers.has('content-encoding')) {
        return decoder.decode(await reply.arrayBuffer())
      }
      for await (const chunk of reply.body as unknown as AsyncIterable<Uint8Array>) {
        bytes += chunk.byteLength
        if (bytes > bodyBytes) throw new TooLong(bodyBytes)
        text += decoder.decode(chunk, { stream: true })
      }
      return text + decoder.decode()
    } catch (error) {
      if (error instanceof CallFailed) throw error
      throw new CallFailed(`the reply broke off: ${this.wordsOf(error)}`, { sent: true, again: true })
    }
  }
}

/** What `work` gives, unless it takes longer than `limitMs`: then its signal aborts and CallFailed is thrown. */
export function within<T>(
  clock: Clock,
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const call = new AbortController()
  const late = () => new CallFailed(`no reply within ${limitMs} ms`, { sent: true, again: false })
  return new Promise((resolve, reject) => {
    const callOff = clock.after(limitMs, () => {
      call.abort()
      reject(late())
    })
    // What an aborted call says about itself is a consequence, and comes after the verdict.
    work(call.signal).then(resolve, reject).finally(callOff)
  })
}
