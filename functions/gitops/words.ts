import { hmacSha256 } from '../hooks/signature.ts'
import { hex } from '../reply/hex.ts'
import type { GitFinding } from './desired.ts'
import type { Plan, PlanAction, PlanEntry } from './plan.ts'
import type { Repository } from './settings.ts'

const DONE: Readonly<Record<PlanAction, string>> = {
  reserve: 'reserved',
  unchanged: 'unchanged',
  refuse: 'refused',
  release: 'released',
  keep: 'kept',
  gone: 'gone',
}
const PLANNED: Readonly<Record<PlanAction, string>> = {
  ...DONE,
  reserve: 'to reserve',
  release: 'to release',
}

/** One line: `2 reserved, 1 unchanged`. */
export function summaryOf(
  entries: readonly PlanEntry[],
  findings: readonly GitFinding[],
  planned: boolean,
): string {
  const words = planned ? PLANNED : DONE
  const counts = (Object.keys(words) as PlanAction[]).flatMap((action) => {
    const count = entries.filter((entry) => entry.action === action).length
    return count === 0 ? [] : [`${count} ${words[action]}`]
  })
  const errors = findings.filter(({ level }) => level === 'error').length
  if (errors > 0) counts.push(errors === 1 ? '1 error' : `${errors} errors`)
  return counts.length === 0 ? 'nothing to do' : counts.join(', ')
}

/**
 * How the comment of ours at one request begins, so that it is found again. Nobody else can write it before we have: it
 * is made with the webhook's secret.
 */
export async function markerOf({ name, webhookSecret }: MarkedBy, number: number): Promise<string> {
  const secret = new TextEncoder().encode(webhookSecret)
  return `<!-- berth:plan:${name}:${hex(await hmacSha256(secret, `berth comment ${number}`)).slice(0, 32)} -->`
}

type MarkedBy = Pick<Repository, 'name' | 'webhookSecret'>

/** A comment of GitHub may have 65,536 characters. */
const COMMENT_LIMIT = 60_000

/** The plan as a comment at a pull or merge request. Names and messages stand in code spans, which know no markup. */
export function commentOf(marker: string, commit: string, { entries, findings, drift }: Plan): string {
  const told = entries.filter(({ action }) => action !== 'unchanged')
  const head = [
    marker,
    `**Berth's plan for ${commit.slice(0, 12)}: ${summaryOf(entries, findings, true)}**`,
    '',
  ]
  const lines = [
    ...findings.map(
      ({ level, file, line, message }) =>
        `- ${level === 'error' ? '❌' : '⚠️'} ${code(`${file}:${line}`)} ${code(message)}`,
    ),
    ...told.map(({ action, namespace, podName, subnet, file, why }) => {
      const because = why === undefined ? '' : `: ${code(why)}`
      return `- ${PLANNED[action]} ${code(`${namespace}/${podName}`)} in ${code(subnet)} (${code(file)})${because}`
    }),
    ...drift.map((one) => `- drift: ${code(one)}`),
  ]
  return [...head, ...shortened(lines, COMMENT_LIMIT)].join('\n')
}

/** As many lines as have `limit` characters, and how many are left out. */
function shortened(lines: readonly string[], limit: number): readonly string[] {
  let length = 0
  const fit = lines.findIndex((line) => {
    length += line.length + 1
    return length > limit
  })
  return fit < 0 ? lines : [...lines.slice(0, fit), `- and ${lines.length - fit} more`]
}

/** A code span that its content cannot end [spec.commonmark.org/0.31.2/#code-spans]; one line, not too long. */
export function code(plain: string): string {
  const text = plain.replaceAll(/\s+/g, ' ').slice(0, 300)
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence} ${text} ${fence}`
}
