import type { Clock } from '../clock.ts'
import type { AnswersPort, KeyedRequest } from '../cluster/answers.ts'
import { isRetryable, type Problem, problem } from '../problem.ts'
import { err, type Result } from '../result.ts'
import type { WriteContext } from './types.ts'

/** How long the second of two equal requests waits for the first, and how often it looks. */
const TWIN_MS = 5_000
const LOOK_MS = 50

/**
 * A write that its idempotency key lets happen once: repeats get the answer of the first. Retryable answers and dry runs
 * are not kept. Whoever dies between write and answer leaves a key that may be used again, and a write that is the same
 * if done again; only a removal then finds nothing left.
 */
export async function once<T>(
  { answers, clock }: { readonly answers: AnswersPort; readonly clock: Clock },
  { tenant, idempotencyKey: key, bodyHash: hash, dryRun }: WriteContext,
  write: () => Promise<Result<T, Problem>>,
): Promise<Result<T, Problem>> {
  if (key === undefined || dryRun) return write()
  const request: KeyedRequest = { tenant, key, hash }
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const claim = await answers.claim(request)
    switch (claim.kind) {
      case 'mine':
        return carriedOut(answers, request, write)
      case 'answered':
        return read(claim.answer)
      case 'mismatch':
        return err(
          problem('idempotency_mismatch', 'this Idempotency-Key was used for another request', {
            field: 'Idempotency-Key',
          }),
        )
      case 'running':
        if (waitedMs >= TWIN_MS) {
          return err(problem('unavailable', 'the same request is still under way', { retryAfterMs: 1_000 }))
        }
        await clock.sleep(LOOK_MS)
        break
      default:
        return claim satisfies never
    }
  }
}

async function carriedOut<T>(
  answers: AnswersPort,
  request: KeyedRequest,
  write: () => Promise<Result<T, Problem>>,
): Promise<Result<T, Problem>> {
  let result: Result<T, Problem> | undefined
  try {
    result = await write()
  } finally {
    if (!result) await answers.keep(request, undefined)
  }
  const isFinal = result.ok || !isRetryable(result.error.code)
  const kept = await answers.keep(request, isFinal ? text(result) : undefined)
  return kept === undefined ? result : read(kept)
}

/** No name in anybody's object: NUL is refused at the door. */
const INTEGER = '\0integer'

function text(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'bigint' ? { [INTEGER]: part.toString() } : part,
  )
}

function read<T>(answer: string): T {
  return JSON.parse(answer, (_name, part: unknown) =>
    typeof part === 'object' && part !== null && INTEGER in part ? BigInt(String(part[INTEGER])) : part,
  ) as T
}
