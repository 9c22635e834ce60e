import { PROBLEMS } from '../problem.ts'
import { nameFindings } from './names.ts'
import type { CommandPorts } from './ports.ts'
import { reservationOf } from './render.ts'
import { holdIn } from './reserve.ts'
import type { ReserveCommand, Validation } from './types.ts'

/** What reserve would say now, with everything that is wrong and a preview; nothing changes and nothing is promised. */
export async function validate(ports: CommandPorts, command: ReserveCommand): Promise<Validation> {
  const first = command.items[0]
  if (!first) throw new Error('a validation needs an item')
  const opened = await holdIn(ports, first.subnet, {
    tenant: command.tenant,
    bodyHash: command.bodyHash,
    items: command.items,
    dryRun: true,
  })
  if (opened.kind === 'busy') {
    return { allowed: false, findings: [{ code: opened.problem.code, message: opened.problem.detail }] }
  }
  if (opened.kind !== 'answer') throw new Error(`a dry run cannot end as ${opened.kind}`)
  const { answer } = opened
  if (answer.kind === 'refused') {
    const { code, detail, field, findings } = answer.problem
    const whole = { code, message: detail || PROBLEMS[code].title, ...(field === undefined ? {} : { field }) }
    return { allowed: false, findings: findings ?? [whole] }
  }
  const taken = await nameFindings(ports, answer.leases)
  if (!taken.ok)
    return { allowed: false, findings: [{ code: taken.error.code, message: taken.error.detail }] }
  if (taken.value.length > 0) return { allowed: false, findings: taken.value }
  const { authority } = ports.settings
  return {
    allowed: true,
    findings: [],
    preview: answer.leases.map((lease) => reservationOf(lease, authority)),
  }
}
