import { expect } from 'vitest'
import type { ReserveCommand, ReserveItem } from '../../shared/command/types.ts'
import type { FakeDoor } from '../support/fake-berth.ts'
import { fakeDoor } from '../support/fake-berth.ts'

export interface CallOptions {
  readonly method?: string
  readonly body?: BodyInit
  /** Content-Type; `null` sends none. JSON where there is a body. */
  readonly type?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly origin?: string
}

/** A request as a client on the same machine would send it. */
export function request(path: string, options: CallOptions = {}): Request {
  const {
    method = options.body === undefined ? 'GET' : 'POST',
    body,
    origin = 'http://localhost:8787',
  } = options
  const headers = new Headers(options.headers)
  const type = options.type === undefined && body !== undefined ? 'application/json' : options.type
  if (type) headers.set('content-type', type)
  // A string body would be given a type of its own.
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return new Request(`${origin}${path}`, { method, headers, ...(bytes === undefined ? {} : { body: bytes }) })
}

export async function call(door: FakeDoor, path: string, options?: CallOptions): Promise<Response> {
  return door.app.fetch(request(path, options))
}

/** A refusal in full. */
export interface Refusal {
  readonly status: number
  readonly code: string
  readonly field: string
}

/** The call is refused exactly so, by a complete problem, and the core hears nothing of it. */
export async function expectRefusal(path: string, options: CallOptions, refusal: Refusal): Promise<string> {
  const door = fakeDoor()
  const reply = await call(door, path, options)
  const body: Record<string, unknown> = await reply.json()
  expect(body).toMatchObject(refusal)
  expect(reply.status).toBe(refusal.status)
  expect(reply.headers.get('content-type')).toBe('application/problem+json')
  expect(reply.headers.get('x-request-id')).toMatch(/^[\x21-\x7e]{1,128}$/)
  expect(reply.headers.get('x-content-type-options')).toBe('nosniff')
  for (const member of ['type', 'title', 'detail', 'instance']) expect(body[member]).toBeTypeOf('string')
  expect(door.fake.calls).toEqual([])
  return body.detail as string
}

/** The command that reaches the core; an error if none does. */
export async function commandOf(path: string, options: CallOptions): Promise<ReserveCommand> {
  const door = fakeDoor()
  const reply = await call(door, path, options)
  const [first] = door.fake.calls
  if (!first) throw new Error(`nothing reached the core: ${await reply.text()}`)
  return first.with[0] as ReserveCommand
}

export const json = (body: unknown): CallOptions => ({ body: JSON.stringify(body) })
export const yaml = (body: string): CallOptions => ({ body, type: 'application/yaml' })

export const WISH = { subnet: 'ovn-default', namespace: 'default', podName: 'web-1' }

export const ITEM: ReserveItem = { ...WISH, podType: '' }

export const SPEC = { ...ITEM }

/** The seed's form with parts replaced. */
export function manifest(parts: Record<string, unknown> = {}, spec: Record<string, unknown> = {}) {
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: 'web-1.default' },
    spec: { ...SPEC, ...spec },
    ...parts,
  }
}
