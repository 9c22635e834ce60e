import { exports } from 'cloudflare:workers'
import { expect } from 'vitest'

/** A parsed reply of the Worker under test. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into replies of every shape
  readonly body: any
}

const worker = () => (exports as unknown as { default: Fetcher }).default

/** One request to the Worker in this isolate, JSON in and out. */
export async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await worker().fetch(`http://127.0.0.1:8787${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /[/+]json\b/.test(response.headers.get('Content-Type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

export const post = (path: string, body: unknown, headers?: Record<string, string>) =>
  call('POST', path, body, headers)
export const get = (path: string) => call('GET', path)

/** Makes a Subnet of its own for a test. */
export async function makeSubnet(name: string, cidrBlock: string, more: object = {}): Promise<void> {
  const reply = await call('PUT', `/v1/subnets/${name}`, {
    apiVersion: 'kubeovn.io/v1',
    kind: 'Subnet',
    metadata: { name },
    spec: { cidrBlock, ...more },
  })
  if (reply.status !== 201) throw new Error(`no Subnet: ${JSON.stringify(reply.body)}`)
}

/** Every reservation of a Subnet, page by page. */
export async function allIn(subnet: string, limit = 1_000): Promise<Reply['body'][]> {
  const items: Reply['body'][] = []
  let token: string | undefined
  do {
    const more = token === undefined ? '' : `&continue=${token}`
    const page = await get(`/v1/reservations?subnet=${subnet}&limit=${limit}${more}`)
    items.push(...page.body.items)
    token = page.body.continue
  } while (token !== undefined)
  return items
}

/** Everything a refusal must leave as it is: every Subnet and every reservation. */
export async function everything(): Promise<unknown> {
  const subnets = await get('/v1/subnets')
  const names = subnets.body.items.map(({ name }: { name: string }) => name)
  return [subnets.body, ...(await Promise.all(names.map((name: string) => allIn(name))))]
}

/** The reply is a complete problem, exactly this one. */
export function refused(reply: Reply, status: number, code: string, field: string, what?: string): void {
  expect([reply.status, reply.body.code, reply.body.field ?? ''], what).toEqual([status, code, field])
  expect(reply.headers.get('Content-Type')).toBe('application/problem+json')
  expect(reply.body).toMatchObject({
    status,
    detail: expect.stringMatching(/\S/),
    instance: expect.any(String),
  })
}

/** The Durable Object that keeps a Subnet's ledger. */
export function ledgerObject(subnet: string): DurableObjectStub {
  const namespaces = exports as unknown as { Subnet: DurableObjectNamespace }
  return namespaces.Subnet.getByName(`default/${subnet}`)
}

export { spread } from './spread.ts'
