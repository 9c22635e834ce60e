import type { AuditFilter } from '../ledger/audit.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import { subnetObjects } from './subnets.ts'

export interface AuditQuery extends AuditFilter {
  readonly subnet?: string
}

/** A line of the audit (ledger/audit-chain.ts), with what decides who may read it. */
export interface AuditLine {
  readonly line: string
  readonly subnet: string
  readonly namespace: string
  readonly name: string
}

export interface AuditLines {
  readonly items: readonly AuditLine[]
  readonly continue?: string
}

/** A page over all Subnets, or one, in order of Subnet and number. What a Subnet says is in the order it was done. */
export async function audit(
  ports: CommandPorts,
  { subnet, ...filter }: AuditQuery,
  page: { readonly limit: number; readonly continue?: string },
): Promise<Result<AuditLines, Problem>> {
  const from = page.continue === undefined ? undefined : positionOf(page.continue)
  if (page.continue !== undefined && !from) {
    return err(problem('invalid_field', 'not a continue value of ours', { field: 'continue' }))
  }
  const objects = subnet === undefined ? await subnetObjects(ports) : undefined
  if (objects && !objects.ok) return objects
  const all = objects ? objects.value.map(({ metadata }) => metadata.name) : [subnet ?? '']
  const items: AuditLine[] = []
  for (const name of all.filter((one) => !from || one >= from.subnet)) {
    let after = from?.subnet === name ? from.seq : 0
    for (;;) {
      if (items.length === page.limit) return ok({ items, continue: tokenOf(name, after) })
      const part = await ports.ledger(name).audit(filter, after, page.limit - items.length)
      items.push(...part.lines.map((line) => ({ ...line, subnet: name })))
      if (part.after === undefined) break
      after = part.after
    }
  }
  return ok({ items })
}

/** Names of Subnets have no colon. */
const tokenOf = (subnet: string, seq: number) => `${seq}:${subnet}`

function positionOf(token: string): { readonly subnet: string; readonly seq: number } | undefined {
  const [, seq, subnet] = /^(\d{1,15}):([a-z0-9.-]{1,253})$/.exec(token) ?? []
  return seq === undefined || subnet === undefined ? undefined : { subnet, seq: Number(seq) }
}
