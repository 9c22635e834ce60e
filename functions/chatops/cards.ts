import type { Reservation } from '../../shared/command/types.ts'
import { PROBLEMS, type Problem } from '../../shared/problem.ts'
import { type Reply, reply } from './reply.ts'

/** A reservation as people read it. */
export function cardOf(
  tone: Reply['tone'],
  title: string,
  reservation: Reservation,
  more: Partial<Reply> = {},
): Reply {
  const { owner, v4IpAddress, v6IpAddress, macAddress, subnet, name, state, reason, warnings } = reservation
  const addresses = [v4IpAddress, v6IpAddress].filter((address) => address !== '').join(', ')
  const facts: [string, string][] = [
    ['Address', addresses],
    ['MAC', macAddress],
    ['Subnet', subnet],
    ['Owner', `${owner.namespace}/${owner.name}${owner.kind === '' ? '' : ` (${owner.kind})`}`],
    ['Name', name],
    ['State', reservation.contested ? `${state}, contested` : state],
    ...(reason === undefined ? [] : ([['Because', reason]] as [string, string][])),
  ]
  return reply(tone, title, { facts, lines: warnings, ...more })
}

/** One line for lists. */
export function lineOf({ owner, v4IpAddress, v6IpAddress, subnet, state }: Reservation): string {
  const addresses = [v4IpAddress, v6IpAddress].filter((address) => address !== '').join(', ')
  return `${addresses}  ${owner.namespace}/${owner.name}  ${subnet}  ${state}`
}

export function refusedReply(problem: Problem): Reply {
  const findings = (problem.findings ?? []).flatMap(({ message, hint }) => [
    ...(message === problem.detail ? [] : [message]),
    ...(hint === undefined ? [] : [hint]),
  ])
  return reply('wrong', PROBLEMS[problem.code].title, {
    lines: [problem.detail, ...findings],
    facts: [['Code', problem.code]],
  })
}
