import type { RepairFinding, RepairOutcome, SubnetRepair } from '../shared/command/repair/types.ts'
import { type Problem, problem, problemOf } from '../shared/problem.ts'
import { err, ok, type Result } from '../shared/result.ts'
import { readDocuments } from './body/read.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { problemBody, refuse } from './reply/problem.ts'
import { check } from './schema/findings.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { repairBody, repairReply } from './schema/repair.ts'
import { body, reply } from './schema/replies.ts'

/** When whoever was answered 202 should look again, s. */
const LOOK_AGAIN_S = '1'

const route = {
  method: 'post',
  path: '/v1/repair',
  summary: 'Compare ledger and cluster, and mend what differs',
  description:
    'Reads IP objects and Pods from the API server, and ports where OVN is looked after; with dryRun=All it changes nothing. Frees no address. It may be repeated at any time, so an Idempotency-Key is not needed and has no effect.',
  request: { query: writeQuery, headers: writeHeaders, body: body(repairBody, false) },
  responses: {
    200: reply('What differed, and what became of it.', repairReply),
    202: reply('The same, and some of it is under way: each finding names its operation.', repairReply),
    ...refusals(...ANY_BODY, 'unknown_subnet', 'rate_limited', 'authority_conflict', ...ANY_CALL),
  },
} as const

/** POST /v1/repair */
export function mountRepair(app: DoorApp): void {
  mount(app, route, accepts('json'), write(), repair)
}

async function repair(c: DoorContext): Promise<Response> {
  const asked = await read(c)
  if (!asked.ok) return refuse(c, asked.error)
  const { tenant, requestId, dryRun } = c.var
  const outcome = await c.var.berth().repair({ tenant, requestId, dryRun, ...asked.value })
  if (outcome.kind === 'refused') return refuse(c, outcome.problem)
  const shown = { dryRun: outcome.dryRun, subnets: outcome.subnets.map(subnetBody) }
  return !outcome.dryRun && isUnderWay(outcome)
    ? replyJson(c, shown, 202, { 'Retry-After': LOOK_AGAIN_S })
    : replyJson(c, shown)
}

/** No body, an empty object and a Subnet's name are all there is to say. */
async function read(c: DoorContext): Promise<Result<{ readonly subnet?: string }, Problem>> {
  const documents = c.req.raw.body === null ? ok([]) : await readDocuments(c.req.raw, { allowEmpty: true })
  if (!documents.ok) return documents
  const [document = {}, ...more] = documents.value
  if (more.length > 0) {
    return err(problem('invalid_field', 'one document says which Subnet', { field: 'body' }))
  }
  const parsed = check(repairBody, document)
  if (!parsed.ok) return err(problemOf(parsed.error))
  const { subnet } = parsed.value
  return ok(subnet ? { subnet } : {})
}

function isUnderWay({ subnets }: Extract<RepairOutcome, { kind: 'compared' }>): boolean {
  return subnets.some(({ findings }) => findings.some(({ outcome }) => outcome === 'under_way'))
}

const subnetBody = ({ problem: why, findings, ...subnet }: SubnetRepair) => ({
  ...subnet,
  findings: findings.map(findingBody),
  ...(why ? { problem: problemBody(why) } : {}),
})

const findingBody = ({ problem: why, ...finding }: RepairFinding) => ({
  ...finding,
  ...(why ? { problem: problemBody(why) } : {}),
})
