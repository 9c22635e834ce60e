import type { Admission } from '../../shared/command/admission/types.ts'
import { PROBLEMS, type Problem, problem } from '../../shared/problem.ts'
import type { Result } from '../../shared/result.ts'
import { readDocuments } from '../body/read.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import { problemBody } from '../reply/problem.ts'
import { callerProblem } from './caller.ts'
import { ipDoor } from './ip.ts'
import { podDoor } from './pod.ts'
import { answerOf, type ReadReview, readReview, type Subject } from './review.ts'

/** An object of etcd's largest size, before and after, and the review around it. */
const REVIEW_LIMIT_BYTES = 4 << 20

export type Verb = 'mutate' | 'validate'

/** One kind of object and how its reviews are judged. */
export interface AdmissionDoor {
  readonly subject: Subject
  /** The verdict on a review, and what reading it gave to warn of. */
  judge(
    c: DoorContext,
    verb: Verb,
    read: ReadReview,
  ): Promise<{ readonly verdict: Admission; readonly warnings: readonly string[] }>
  /**
   * `denied`: no answer from within is a refusal. `error`: it is none of Berth's business whether the object may be; the
   * webhook's failurePolicy decides.
   */
  readonly whenFailed: 'denied' | 'error'
}

export interface AdmissionOptions {
  /** ADMISSION_SECRET. */
  readonly secret: (c: DoorContext) => string | undefined
  /** Whether this request came by the socket of client certificates. */
  readonly certificate: (c: DoorContext) => boolean
}

const DOORS: Readonly<Record<string, AdmissionDoor>> = { ip: ipDoor, pod: podDoor }

/** The path holds a secret: what is said of a request never repeats it. */
const INSTANCE = '/admission'

/**
 * POST /admission/{mutate,validate}/{ip,pod}, or with the secret before the verb. Mounted before the doors for people:
 * here only the API server is let in. Nothing of the path is logged or repeated.
 *
 * @example
 * mountAdmission(app, { secret: (c) => admissionSecretOf(c.env), certificate: (c) => isProven(c.env) })
 */
export function mountAdmission(app: DoorApp, options: AdmissionOptions): void {
  app.all(`${INSTANCE}/*`, async function admission(c) {
    try {
      return await answer(c, options)
    } catch (error) {
      c.var.log.write('error', 'admission.failed', {
        requestId: c.var.requestId,
        error: error instanceof Error ? error.message : 'unknown',
      })
      return refuse(c, problem('unavailable', `the review failed; its id is ${c.var.requestId}`))
    }
  })
  app.all(INSTANCE, (c) => refuse(c, problem('not_found', 'there is nothing at this path')))
}

async function answer(c: DoorContext, options: AdmissionOptions): Promise<Response> {
  const parts = new URL(c.req.url).pathname.slice(INSTANCE.length + 1).split('/')
  const [kind = '', verb, secret] = parts.toReversed()
  const why = callerProblem(
    { certificate: options.certificate(c), ...(secret === undefined ? {} : { secret }) },
    options.secret(c),
  )
  if (why) return refuse(c, why)
  const door = Object.hasOwn(DOORS, kind) ? DOORS[kind] : undefined
  if (!door || !isVerb(verb) || parts.length > 3) {
    return refuse(c, problem('not_found', 'the doors are {mutate,validate}/{ip,pod}'))
  }
  if (c.req.method !== 'POST') {
    const reply = refuse(c, problem('method_not_allowed', 'reviews are POSTed'))
    reply.headers.set('Allow', 'POST')
    return reply
  }
  const read = await reviewIn(c, door.subject)
  if (!read.ok) return refuse(c, read.error)
  return judged(c, door, verb, read.value)
}

function isVerb(text: string | undefined): text is Verb {
  return text === 'mutate' || text === 'validate'
}

async function reviewIn(c: DoorContext, subject: Subject): Promise<Result<ReadReview, Problem>> {
  const documents = await readDocuments(c.req.raw, { limitBytes: REVIEW_LIMIT_BYTES, wideIntegers: true })
  return documents.ok ? readReview(documents.value[0], subject) : documents
}

async function judged(c: DoorContext, door: AdmissionDoor, verb: Verb, read: ReadReview): Promise<Response> {
  let outcome: Awaited<ReturnType<AdmissionDoor['judge']>>
  try {
    outcome = await door.judge(c, verb, read)
  } catch (error) {
    c.var.log.write('error', 'admission.failed', {
      requestId: c.var.requestId,
      object: read.review.name,
      error: error instanceof Error ? error.message : 'unknown',
    })
    const why = problem('unavailable', `Berth could not judge this; its id is ${c.var.requestId}`)
    outcome = { verdict: { kind: 'failed', problem: why }, warnings: [] }
  }
  const { verdict, warnings } = outcome
  if (verdict.kind !== 'failed') return c.json(answerOf(read.uid, verdict, warnings) as object)
  if (door.whenFailed === 'error') return refuse(c, verdict.problem)
  const denial = { kind: 'denied', problem: verdict.problem, warnings: [] } as const
  return c.json(answerOf(read.uid, denial, warnings) as object)
}

/** Like every other refusal, but for the path. */
function refuse(c: DoorContext, why: Problem): Response {
  return c.body(
    `${JSON.stringify({ ...problemBody(why), instance: INSTANCE })}\n`,
    PROBLEMS[why.code].status,
    { 'Content-Type': 'application/problem+json' },
  )
}
