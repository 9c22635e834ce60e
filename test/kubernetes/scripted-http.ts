import type { Clock } from '../../shared/clock.ts'
import type { KubernetesLimits } from '../../shared/cluster/kubernetes/limits.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { Http } from '../../shared/http.ts'

export const URL_OF_API = 'https://api.invalid:6443'
export const TOKEN = 'secret-token-of-the-test'

/** A request as it left the adapter. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: unknown
  readonly signal: AbortSignal
  readonly redirect: string
}

export type Answer = Response | Error | Promise<Response>

/** A peer that answers by script and remembers what it was sent. An Error stands for a connection that broke. */
export class ScriptedHttp implements Http {
  readonly sent: Sent[] = []
  readonly #script: (request: Sent, index: number) => Answer

  constructor(script: (request: Sent, index: number) => Answer) {
    this.#script = script
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const text = request.body === null ? '' : await request.text()
    const sent: Sent = {
      method: request.method,
      url: request.url,
      path: url.pathname,
      query: url.searchParams,
      headers: new Headers([...request.headers]),
      body: text === '' ? undefined : JSON.parse(text),
      signal: request.signal,
      redirect: request.redirect,
    }
    this.sent.push(sent)
    const answer = this.#script(sent, this.sent.length - 1)
    if (answer instanceof Error) throw answer
    return answer
  }

  /** Methods and paths, in the order sent. */
  get lines(): string[] {
    return this.sent.map(({ method, path }) => `${method} ${path}`)
  }
}

/** Time limits never run out here; waits between tries pass at once and are written down. */
export class NotingClock implements Clock {
  readonly waits: number[] = []
  wallMs = Date.UTC(2026, 0, 2, 3, 4, 5)

  nowMs(): number {
    return this.wallMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (!signal) {
      this.waits.push(ms)
      return Promise.resolve()
    }
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }

  after(): () => void {
    return () => {}
  }
}

export function portOver(
  http: Http,
  clock: Clock = new NotingClock(),
  limits: Partial<KubernetesLimits> = {},
  token: () => string = () => TOKEN,
) {
  return kubernetesPort({ http, url: URL_OF_API, token, clock, limits })
}

export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** A failure as the API server words it. */
export function status(code: number, reason: string, details: Readonly<Record<string, unknown>> = {}) {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `${reason} of the test`,
    reason,
    details,
    code,
  }
}

export const UID = '0e3f6c1a-8f1f-4a54-9c3e-0f8b6a1d2c3b'

/** A stored IP object. */
export function storedIp(name: string, metadata: Readonly<Record<string, unknown>> = {}): KubeObject {
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name, uid: UID, resourceVersion: '7', generation: 1, ...metadata },
    spec: { v4IpAddress: '10.0.0.5' },
  }
}

/** The same as a client sends it. */
export function newIp(name: string): KubeObject {
  return { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec: { v4IpAddress: '10.0.0.5' } }
}

export function listOf(items: readonly KubeObject[], resourceVersion = '9', next?: string) {
  const metadata = { resourceVersion, ...(next === undefined ? {} : { continue: next }) }
  return { apiVersion: 'kubeovn.io/v1', kind: 'IPList', metadata, items }
}

/** A body whose chunks the test hands out; it notices when nobody reads on. */
export class ScriptedBody {
  readonly stream: ReadableStream<Uint8Array>
  cancelled = false
  #controller!: ReadableStreamDefaultController<Uint8Array>

  constructor() {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller
      },
      cancel: () => {
        this.cancelled = true
      },
    })
  }

  push(chunk: string | Uint8Array): this {
    this.#controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk)
    return this
  }

  line(event: unknown): this {
    return this.push(`${JSON.stringify(event)}\n`)
  }

  close(): this {
    this.#controller.close()
    return this
  }

  break(): this {
    this.#controller.error(new Error('connection reset'))
    return this
  }

  response(code = 200): Response {
    return new Response(this.stream, { status: code, headers: { 'content-type': 'application/json' } })
  }
}
