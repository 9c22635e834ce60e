import { z } from '@hono/zod-openapi'
import type { Reservation } from '../shared/command/types.ts'
import type { Berth } from './berth.ts'
import { writeCsv } from './body/csv.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts, type Representation } from './reply/accept.ts'
import { writeJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { writeYaml } from './reply/yaml.ts'
import { exportQuery } from './schema/files.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'

/** Reservations of one read. */
const PAGE = 1_000

const text = (description: string) => ({ schema: z.string().openapi({ description }) })

const route = {
  method: 'get',
  path: '/v1/export',
  summary: 'All bound reservations, as a file to import again',
  description:
    'Those the caller may read, in order of Subnet and name. If something fails on the way, the reply breaks off.',
  request: { query: exportQuery },
  responses: {
    200: {
      description: 'The file.',
      content: {
        'text/csv': text(
          'RFC 4180 with a header; a field that begins like a formula has an apostrophe before it.',
        ),
        'application/x-ndjson': text('One reservation a line, in the plain form.'),
        'application/yaml': text('A List of IP objects, as kubectl prints them.'),
      },
    },
    ...refusals('invalid_field', 'invalid_name', 'unknown_subnet', ...ANY_CALL),
  },
} as const

/** GET /v1/export */
export function mountExport(app: DoorApp): void {
  mount(app, route, accepts('csv', 'jsonl', 'yaml'), exported)
}

async function exported(c: DoorContext): Promise<Response> {
  const query = readQuery(c, exportQuery)
  if (!query.ok) return refuse(c, query.error)
  const { subnet, namespace } = query.value
  const filter = {
    state: 'bound' as const,
    ...(subnet === undefined ? {} : { subnet }),
    ...(namespace === undefined ? {} : { namespace }),
  }
  const berth = c.var.berth()
  // Whatever is refused is refused before the first byte, when there is still a status to say so.
  const first = await berth.reservations(filter, { limit: PAGE })
  if (!first.ok) return refuse(c, first.error)
  const parts = file(FORMS[c.get('representation')] ?? CSV, pages(berth, filter, first.value))
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = await parts.next()
      if (part.done) controller.close()
      else controller.enqueue(encoder.encode(part.value))
    },
  })
  return c.body(stream, 200, { 'Content-Type': c.get('mediaType') })
}

type Page = Extract<Awaited<ReturnType<Berth['reservations']>>, { ok: true }>['value']

async function* pages(
  berth: Berth,
  filter: Parameters<Berth['reservations']>[0],
  first: Page,
): AsyncGenerator<readonly Reservation[]> {
  let page = first
  for (;;) {
    if (page.items.length > 0) yield page.items
    if (page.continue === undefined) return
    const next = await berth.reservations(filter, { limit: PAGE, continue: page.continue })
    // There is no status any more: the reply breaks off, which no reader takes for its end.
    if (!next.ok) throw new Error(`the export broke off: ${next.error.code}`)
    page = next.value
  }
}

/** How a file begins, goes on and ends. */
interface Form {
  readonly head: string
  readonly rows: (reservations: readonly Reservation[]) => string
  readonly tail: (isEmpty: boolean) => string
}

const COLUMNS = [
  'subnet',
  'namespace',
  'podName',
  'podType',
  'v4IpAddress',
  'v6IpAddress',
  'macAddress',
  'reason',
  'expiresAt',
] as const

/** The plain form of a wish for this very reservation. */
function wishOf(reservation: Reservation) {
  const { subnet, owner, v4IpAddress, v6IpAddress, macAddress, reason = '', expiresAt = '' } = reservation
  const { namespace, name: podName, kind: podType } = owner
  return { subnet, namespace, podName, podType, v4IpAddress, v6IpAddress, macAddress, reason, expiresAt }
}

const CSV: Form = {
  head: writeCsv(COLUMNS),
  rows: (reservations) =>
    reservations
      .map(wishOf)
      .map((wish) => writeCsv(COLUMNS.map((name) => wish[name])))
      .join(''),
  tail: () => '',
}

const FORMS: Partial<Record<Representation, Form>> = {
  csv: CSV,
  jsonl: {
    head: '',
    rows: (reservations) =>
      reservations
        .map(wishOf)
        .map(
          (wish) => `${writeJson(Object.fromEntries(Object.entries(wish).filter(([, value]) => value)))}\n`,
        )
        .join(''),
    tail: () => '',
  },
  yaml: {
    head: 'apiVersion: v1\n',
    rows: (reservations) => writeYaml(reservations.map(({ object }) => object)),
    tail: (isEmpty) => `${isEmpty ? 'items: []\n' : ''}kind: List\nmetadata:\n  resourceVersion: ""\n`,
  },
}

async function* file(form: Form, all: AsyncIterable<readonly Reservation[]>): AsyncGenerator<string> {
  if (form.head !== '') yield form.head
  let isEmpty = true
  for await (const reservations of all) {
    // The name of the list comes with its first item: an empty one is written in another way.
    const opening = isEmpty && form === FORMS.yaml ? 'items:\n' : ''
    yield opening + form.rows(reservations)
    isEmpty = false
  }
  const tail = form.tail(isEmpty)
  if (tail !== '') yield tail
}
