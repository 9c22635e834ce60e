import type { Finding, Problem } from '../../shared/problem.ts'

interface Spelled {
  readonly spell: (field: string) => string
}

/** The core's findings with fields as the caller wrote them: `v4IpAddress` of item 3 is `items[3].spec.v4IpAddress`. */
export function spellFindings(
  findings: readonly Finding[],
  entries: readonly Spelled[],
  list: boolean,
): Finding[] {
  return findings.map((finding) => {
    const item = finding.item ?? (entries.length === 1 ? 0 : -1)
    const entry = entries[item]
    if (!entry) return finding
    return {
      ...finding,
      ...(finding.field ? { field: entry.spell(finding.field) } : {}),
      ...(list ? { item } : {}),
    }
  })
}

/** The same for a problem; its own field follows its first finding, or the only entry. */
export function spellProblem(problem: Problem, entries: readonly Spelled[], list: boolean): Problem {
  const findings = problem.findings && spellFindings(problem.findings, entries, list)
  const entry = entries[problem.findings?.[0]?.item ?? (entries.length === 1 ? 0 : -1)]
  return {
    ...problem,
    ...(entry && problem.field ? { field: entry.spell(problem.field) } : {}),
    ...(findings ? { findings } : {}),
  }
}
