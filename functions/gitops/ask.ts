import type { Http } from '../../shared/http.ts'
import { GitAway, GitRefused } from './provider.ts'

const CALL_LIMIT_MS = 10_000
/** A tree of a large repository has some megabytes. */
const REPLY_LIMIT_BYTES = 16 << 20

export interface AskParts {
  readonly http: Http
  /** Of the API, without a slash at the end. */
  readonly base: string
  /** Says who asks; never shown, never sent elsewhere. */
  readonly credentials: Readonly<Record<string, string>>
}

/** One call to a provider's API, with a limit on time and size and without redirects, which could take the token along. */
export type Ask = <T>(method: string, path: string, body?: unknown, accept?: string) => Promise<T>

export interface Asker {
  /** Parsed JSON, unchecked. */
  readonly json: Ask
  readonly bytes: (path: string) => Promise<Uint8Array>
}

export function asker({ http, base, credentials }: AskParts): Asker {
  const send = async (method: string, path: string, body?: unknown, accept = 'application/json') => {
    const signal = AbortSignal.timeout(CALL_LIMIT_MS)
    const headers: Record<string, string> = { ...credentials, Accept: accept, 'User-Agent': 'berth' }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const request = new Request(`${base}${path}`, {
      method,
      headers,
      redirect: 'manual',
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    let status: number
    let bytes: Uint8Array
    try {
      const reply = await http.fetch(request)
      status = reply.status
      bytes = await read(reply)
    } catch (error) {
      if (error instanceof GitRefused) throw error
      throw new GitAway(`${method} ${shown(path)}: no reply`)
    }
    if (status >= 200 && status < 300) return bytes
    const what = `${method} ${shown(path)} answered ${status}`
    // A token without a right, and a rate limit, are mended without a new push.
    throw status >= 500 || status === 429 || status === 401 || status === 403
      ? new GitAway(what)
      : new GitRefused(what, status)
  }
  return {
    json: async <T>(method: string, path: string, body?: unknown, accept?: string) => {
      const bytes = await send(method, path, body, accept)
      try {
        return JSON.parse(new TextDecoder().decode(bytes)) as T
      } catch {
        throw new GitAway(`${method} ${shown(path)} answered no JSON`)
      }
    },
    bytes: (path) => send('GET', path, undefined, '*/*'),
  }
}

/** Queries may hold more than anybody wants to read. */
const shown = (path: string) => path.split('?')[0]?.slice(0, 200) ?? ''

async function read(reply: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength
    if (length > REPLY_LIMIT_BYTES) throw new GitRefused('a reply is too long')
    chunks.push(chunk)
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
