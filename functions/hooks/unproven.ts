import { type Problem, problem } from '../../shared/problem.ts'

/** For whoever does not prove by this header who he is; what of the proof is wrong is not said. */
export function unproven(header: string): Problem {
  return problem('unauthenticated', `${header} is missing, wrong or too old`, { field: header })
}
