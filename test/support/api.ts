import { exports } from 'cloudflare:workers'

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
  const isJson = response.headers.get('Content-Type')?.includes('json') ?? false
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

/** The Durable Object that keeps a Subnet's ledger. */
export function ledgerObject(subnet: string): DurableObjectStub {
  const namespaces = exports as unknown as { Subnet: DurableObjectNamespace }
  return namespaces.Subnet.getByName(`default/${subnet}`)
}

/** Runs `work` for each item, `width` at a time. */
export async function spread<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: width }, lane))
  return results
}
