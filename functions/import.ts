import { z } from '@hono/zod-openapi'
import type { WriteOutcome } from '../shared/command/types.ts'
import { PROBLEMS, type Problem, problem, problemOf } from '../shared/problem.ts'
import { type Place, type Row, readRows } from './body/rows.ts'
import type { Wish } from './body/wishes.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { sha256Hex, write, writeContext, writeHeaders } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { spellProblem } from './reply/spell.ts'
import { wishBody } from './reserve.ts'
import { importQuery, importReply, OUTCOMES } from './schema/files.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { body, reply } from './schema/replies.ts'

/** Rows under way at a time. */
const AT_ONCE = 8
const LOOK_AGAIN_S = '1'

const { content } = body(wishBody)
const file = { schema: z.string() }

const route = {
  method: 'post',
  path: '/v1/import',
  summary: 'Reserve every row of a file',
  description:
    'CSV with a header, JSON Lines, or manifests: what GET /v1/export gives, up to 1,000 rows. Each row is a reserve by itself and has its line in the report; rows that name addresses go first. An Idempotency-Key holds for each row: a repeated call goes on where the first one stopped.',
  request: {
    query: importQuery,
    headers: writeHeaders,
    body: { required: true, content: { ...content, 'text/csv': file, 'application/x-ndjson': file } },
  },
  responses: {
    200: reply('What became of each row.', importReply),
    202: reply('The same, and some rows are under way: each names its operation.', importReply),
    ...refusals(
      ...ANY_BODY,
      'invalid_address',
      'invalid_mac',
      'unknown_subnet',
      'address_taken',
      'idempotency_mismatch',
      'out_of_range',
      'rate_limited',
      'authority_conflict',
      'no_capacity',
      'quota_exceeded',
      'outside_policy',
      ...ANY_CALL,
    ),
  },
} as const

/** POST /v1/import */
export function mountImport(app: DoorApp): void {
  mount(app, route, accepts('json'), write({ query: importQuery }), imported)
}

/** A line of the report. */
type Line = Place & { readonly outcome: (typeof OUTCOMES)[number] } & Readonly<Record<string, unknown>>

async function imported(c: DoorContext): Promise<Response> {
  const query = readQuery(c, importQuery)
  if (!query.ok) return refuse(c, query.error)
  const rows = await readRows(c.req.raw)
  if (!rows.ok) return refuse(c, rows.error)
  const checked = withoutRepeats(rows.value)
  return query.value.atomic ? together(c, checked) : oneByOne(c, checked)
}

/** Of two rows for one owner, or one address, the second is refused: in a dry run neither would know of the other. */
function withoutRepeats(rows: readonly Row[]): Row[] {
  const seen = new Map<string, Place>()
  return rows.map((row): Row => {
    if (!row.wish.ok) return row
    const { item, spell } = row.wish.value
    const { subnet, namespace, podName, v4IpAddress, v6IpAddress } = item
    const marks = [
      ['already_reserved', 'podName', `${namespace}/${podName}`],
      ['address_taken', 'v4IpAddress', v4IpAddress ?? ''],
      ['address_taken', 'v6IpAddress', v6IpAddress ?? ''],
    ] as const
    for (const [code, field, text] of marks) {
      if (text === '') continue
      const mark = JSON.stringify([subnet, field, text])
      const before = seen.get(mark)
      if (before) {
        const message = `${spell(field)} is that of ${inWords(before)}, too`
        return { ...row, wish: { ok: false, error: [{ code, field: spell(field), message }] } }
      }
      seen.set(mark, row.place)
    }
    return row
  })
}

const inWords = (place: Place) => ('line' in place ? `line ${place.line}` : `item ${place.item}`)

async function oneByOne(c: DoorContext, rows: readonly Row[]): Promise<Response> {
  const lines = rows.map((row) =>
    row.wish.ok ? undefined : lineOf(row.place, 'refused', problemOf(row.wish.error)),
  )
  /** Subnets that do not answer in time; what else is asked of them would wait as long. */
  const slow = new Set<string>()
  for (const isNamed of [true, false]) {
    const queue = rows.flatMap(({ place, wish }, index) =>
      wish.ok && hasAddress(wish.value) === isNamed ? [{ place, wish: wish.value, index }] : [],
    )
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift())
        lines[next.index] = await reserveRow(c, next.place, next.wish, slow)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }
  return report(
    c,
    lines.filter((line) => line !== undefined),
  )
}

/** An address that Berth chooses must not be one that another row names: those rows go first. */
function hasAddress({ item }: Wish): boolean {
  return item.v4IpAddress !== undefined || item.v6IpAddress !== undefined
}

async function reserveRow(c: DoorContext, place: Place, wish: Wish, slow: Set<string>): Promise<Line> {
  const { item } = wish
  if (slow.has(item.subnet)) return lineOf(place, 'skipped', notTried(item.subnet))
  const context = await writeContext(c, item)
  const { idempotencyKey: key } = context
  const outcome = await c.var.berth().reserve({
    ...context,
    // The row's own key: the same row of the same call, wherever it stands.
    ...(key === undefined ? {} : { idempotencyKey: await sha256Hex(JSON.stringify([key, item])) }),
    items: [item],
  })
  const isLate = outcome.kind === 'refused' && [429, 503].includes(PROBLEMS[outcome.problem.code].status)
  if (outcome.kind === 'pending' || isLate) slow.add(item.subnet)
  return lineOfOutcome(place, wish, outcome)
}

const notTried = (subnet: string) =>
  problem('unavailable', `not tried: Subnet ${subnet} did not answer in time for another row; send it again`)

function lineOfOutcome(place: Place, wish: Wish, outcome: WriteOutcome): Line {
  if (outcome.kind === 'refused')
    return lineOf(place, 'refused', spellProblem(outcome.problem, [wish], false))
  if (outcome.kind === 'pending') return { ...place, outcome: 'pending', operation: outcome.operation }
  return doneLine(place, outcome, 0)
}

function doneLine(place: Place, outcome: Extract<WriteOutcome, { kind: 'done' }>, index: number): Line {
  const reservation = outcome.reservations[index]
  if (!reservation) throw new Error('a reserve answers every wish')
  const { name, v4IpAddress, v6IpAddress, macAddress } = reservation
  return {
    ...place,
    outcome: outcome.created ? 'reserved' : 'existed',
    name,
    v4IpAddress,
    v6IpAddress,
    macAddress,
  }
}

function lineOf(place: Place, outcome: 'refused' | 'skipped', { code, field, detail }: Problem): Line {
  return { ...place, outcome, code, ...(field === undefined ? {} : { field }), detail }
}

/** All rows in one group, by the reserve's own rule: all or none. */
async function together(c: DoorContext, rows: readonly Row[]): Promise<Response> {
  const wishes = rows.flatMap(({ wish }) => (wish.ok ? [wish.value] : []))
  const [first] = wishes
  const findings = rows.flatMap(({ wish, place }, item) => {
    if (!wish.ok) return wish.error.map((found) => ({ ...found, item }))
    if (wish.value.item.subnet === first?.item.subnet) return []
    const message = `${inWords(place)} is of another Subnet; atomic takes one Subnet at a time`
    return [{ code: 'invalid_field' as const, field: wish.value.spell('subnet'), message, item }]
  })
  if (findings.length > 0 || !first) return refuseAll(c, rows, problemOf(findings))
  const order = wishes
    .map((wish, index) => ({ wish, index }))
    .sort((a, b) => Number(hasAddress(b.wish)) - Number(hasAddress(a.wish)))
  const ordered = order.map(({ wish }) => wish)
  const items = ordered.map(({ item }) => item)
  const outcome = await c.var.berth().reserve({ ...(await writeContext(c, items)), items })
  if (outcome.kind === 'refused') {
    const { findings: found, ...why } = spellProblem(outcome.problem, ordered, true)
    const placed = found?.map((one) => {
      const index = one.item === undefined ? undefined : order[one.item]?.index
      return index === undefined ? one : { ...one, item: index }
    })
    return refuseAll(c, rows, placed ? { ...why, findings: placed } : why)
  }
  if (outcome.kind === 'pending') {
    const { operation } = outcome
    return report(
      c,
      rows.map(({ place }) => ({ ...place, outcome: 'pending', operation })),
    )
  }
  const lines: Line[] = []
  for (const [at, { index }] of order.entries()) {
    const row = rows[index]
    if (row) lines[index] = doneLine(row.place, outcome, at)
  }
  return report(c, lines)
}

/** The problem, and next to it the line of each row: those that are the cause, and those that went with them. */
function refuseAll(c: DoorContext, rows: readonly Row[], why: Problem): Response {
  const lines = rows.map(({ place }, index) => {
    const found = why.findings?.find(({ item }) => item === index)
    if (!found && rows.length > 1)
      return lineOf(place, 'skipped', { ...why, detail: 'not reserved: the file is all or nothing' })
    const { code, field, message } = found ?? { ...why, message: why.detail }
    return lineOf(place, 'refused', problem(code, message, field === undefined ? {} : { field }))
  })
  return refuse(c, why, { rows: lines })
}

function report(c: DoorContext, rows: readonly Line[]): Response {
  const counts = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, rows.filter((row) => row.outcome === outcome).length]),
  )
  const shown = { dryRun: c.get('dryRun'), counts, rows }
  return rows.some(({ outcome }) => outcome === 'pending')
    ? replyJson(c, shown, 202, { 'Retry-After': LOOK_AGAIN_S })
    : replyJson(c, shown)
}
