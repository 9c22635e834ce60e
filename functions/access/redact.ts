import type { Finding, Problem, ProblemCode } from '../../shared/problem.ts'

/** Refusals whose words may say who is in the way. */
const TELLING: Partial<Record<ProblemCode, string>> = {
  address_taken: 'the address is promised to somebody else',
  mac_taken: 'the MAC address is in use',
  name_collision: 'another owner has this object name',
  contested: 'somebody else holds the address',
  releasing: 'a release is under way',
}

/** The same refusal for a caller who may not see the others: what is wrong, not who is there. */
export function withoutNames(problem: Problem): Problem {
  const detail = TELLING[problem.code]
  return {
    ...problem,
    ...(detail === undefined ? {} : { detail }),
    ...(problem.findings === undefined ? {} : { findings: withoutNamesIn(problem.findings) }),
  }
}

export function withoutNamesIn(findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({
    ...finding,
    message: wordsWithoutNames(finding.code, finding.message),
  }))
}

/** The words of a refusal, with no one else's name in them. */
export function wordsWithoutNames(code: ProblemCode, words: string): string {
  return TELLING[code] ?? words
}
