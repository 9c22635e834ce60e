import { type Problem, problem } from '../../shared/problem.ts'

/** What a request may prove about its sender. */
export interface Proof {
  /** The path segment between `/admission/` and the door, as it stands in the URL. */
  readonly secret?: string
  /** It came in by the socket that asks for the API server's client certificate (infra/workerd). */
  readonly certificate: boolean
}

/**
 * Whether the API server is calling: by its client certificate, or by the secret of ADMISSION_SECRET. Without either
 * configured nobody is let in. Compared as bytes and in a time that does not depend on them.
 */
export function callerProblem(proof: Proof, secret: string | undefined): Problem | undefined {
  if (proof.certificate) return undefined
  if (secret === undefined)
    return problem(
      'forbidden',
      'no way is configured for the API server to prove itself: set ADMISSION_SECRET, or serve this door with client certificates',
    )
  if (proof.secret !== undefined && isSame(proof.secret, secret)) return undefined
  return problem('unauthenticated', 'only the API server may call this door')
}

/** How long it takes depends on the length of the true secret alone, which is no secret. */
function isSame(given: string, secret: string): boolean {
  const [bytes, wanted] = [new TextEncoder().encode(given), new TextEncoder().encode(secret)]
  let different = bytes.length ^ wanted.length
  for (const [index, byte] of wanted.entries()) different |= byte ^ (bytes[index] ?? 0)
  return different === 0
}
