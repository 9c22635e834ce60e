import { PROBLEMS } from '../problem.ts'
import { previewNames } from './names.ts'
import { pinsForeseen, pinsOf } from './pin.ts'
import type { CommandPorts } from './ports.ts'
import { reservationIn } from './render.ts'
import { holdIn } from './reserve.ts'
import type { ReserveCommand, Validation } from './types.ts'

/** What reserve would say now, with everything that is wrong and a preview; nothing changes and nothing is promised. */
export async function validate(ports: CommandPorts, command: ReserveCommand): Promise<Validation> {
  const first = command.items[0]
  if (!first) throw new Error('a validation needs an item')
  const opened = await holdIn(ports, first.subnet, {
    tenant: command.tenant,
    mode: ports.settings.authority,
    bodyHash: command.bodyHash,
    items: command.items,
    ...(command.block ? { block: command.block } : {}),
    dryRun: true,
    ...pinsOf(ports),
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
  const named = await previewNames(ports, answer.leases, command.items)
  if (!named.ok)
    return { allowed: false, findings: [{ code: named.error.code, message: named.error.detail }] }
  if (named.value.findings.length > 0) return { allowed: false, findings: named.value.findings }
  const { leases } = named.value
  const pins = await pinsForeseen(ports, first.subnet, leases)
  return {
    allowed: true,
    findings: [],
    preview: leases.map((lease, item) => reservationIn(ports, lease, pins[item])),
  }
}
