import { z } from '@hono/zod-openapi'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { Admission, PatchOperation, Review } from '../../shared/command/admission/types.ts'
import { type Finding, PROBLEMS, type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { check } from '../schema/findings.ts'

/** admission.k8s.io/v1 AdmissionReview [k8s.io/api/admission/v1/types.go], as far as it is read. */
const REVIEW = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' } as const

const resource = z.object({ group: z.string(), version: z.string(), resource: z.string() })

const texts = z.record(z.string(), z.string())

/** An object as far as every door needs it; what it says besides is kept and judged elsewhere. */
const anyObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string().optional(),
    labels: texts.nullish(),
    annotations: texts.nullish(),
    finalizers: z.array(z.string()).nullish(),
    deletionTimestamp: z.string().nullish(),
    ownerReferences: z
      .array(z.looseObject({ apiVersion: z.string(), kind: z.string(), name: z.string() }))
      .nullish(),
  }),
  spec: z.looseObject({}).nullish(),
})

const admissionReview = z.object({
  apiVersion: z.literal(REVIEW.apiVersion),
  kind: z.literal(REVIEW.kind),
  request: z.object({
    uid: z.string().min(1).max(256),
    resource,
    subResource: z.string().nullish(),
    name: z.string().nullish(),
    namespace: z.string().nullish(),
    operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
    userInfo: z.object({ username: z.string().nullish() }),
    object: anyObject.nullish(),
    oldObject: anyObject.nullish(),
    dryRun: z.boolean().nullish(),
  }),
})

/** What a door is for; a review of anything else is a mistake in the webhook's configuration. */
export interface Subject {
  readonly group: string
  readonly version: string
  readonly resource: string
}

export interface ReadReview {
  readonly uid: string
  readonly review: Review
}

/** Reads a review of `subject`. @returns `malformed` for another version or kind, `invalid_field` for another resource */
export function readReview(body: unknown, subject: Subject): Result<ReadReview, Problem> {
  const parsed = check(admissionReview, body)
  if (!parsed.ok) return err({ ...problemOf(parsed.error), code: 'malformed' })
  const { uid, operation, name, namespace, userInfo, dryRun, object, oldObject, ...rest } =
    parsed.value.request
  const { group, version, resource } = rest.resource
  const isSubject = group === subject.group && version === subject.version && resource === subject.resource
  if (!isSubject || rest.subResource) {
    const asked = [group, version, resource, rest.subResource].filter((part) => part).join('/')
    return err(
      problem('invalid_field', `this door reviews ${subject.resource}, not ${asked}`, {
        field: 'request.resource',
      }),
    )
  }
  if (operation === 'CONNECT') return err(malformed('operation', 'CONNECT is not reviewed here'))
  if (operation !== 'DELETE' && !object) return err(malformed('object', 'an object is required'))
  if (operation !== 'CREATE' && !oldObject) return err(malformed('oldObject', 'an oldObject is required'))
  const [after, before] = [objectOf(object), objectOf(oldObject)]
  return ok({
    uid,
    review: {
      operation,
      name: name || after?.metadata.name || before?.metadata.name || '',
      namespace: namespace ?? '',
      user: userInfo.username ?? '',
      dryRun: dryRun ?? false,
      ...(after ? { object: after } : {}),
      ...(before ? { oldObject: before } : {}),
    },
  })
}

function malformed(field: string, detail: string): Problem {
  return problem('malformed', detail, { field: `request.${field}` })
}

type Parsed = z.output<typeof anyObject>

/** Null is absent: nobody behind this door tells them apart. An object without a spec is patched as one that has none. */
function objectOf(parsed: Parsed | null | undefined): KubeObject | undefined {
  if (!parsed) return undefined
  const metadata = Object.fromEntries(
    Object.entries(parsed.metadata).filter(([, value]) => value !== null && value !== undefined),
  )
  const { spec, ...rest } = parsed
  return { ...rest, ...(spec ? { spec } : {}), metadata: { name: '', ...metadata } } as KubeObject
}

/** Longest warning an API server passes on whole, and all together [k8s.io/apiserver pkg/endpoints/filters/warning.go]. */
const WARNING_LIMIT = 256
const WARNINGS_LIMIT = 4_096

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
}

/** The AdmissionReview that answers; `more` are the door's own warnings. */
export function answerOf(
  uid: string,
  verdict: Exclude<Admission, { kind: 'failed' }>,
  more: readonly string[] = [],
): unknown {
  const warnings = shortened([...more, ...verdict.warnings])
  const response =
    verdict.kind === 'allowed'
      ? { uid, allowed: true, ...patchMembers(verdict.patch) }
      : { uid, allowed: false, status: statusOf(verdict.problem) }
  return { ...REVIEW, response: { ...response, ...(warnings.length > 0 ? { warnings } : {}) } }
}

function patchMembers(patch: readonly PatchOperation[]) {
  if (patch.length === 0) return {}
  const bytes = new TextEncoder().encode(JSON.stringify(patch))
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return { patchType: 'JSONPatch', patch: btoa(binary) }
}

/** meta/v1 Status: what kubectl prints, with each field named. */
function statusOf(why: Problem): unknown {
  const { status: code } = PROBLEMS[why.code]
  const causes = (why.findings ?? [])
    .filter(({ field }) => field !== undefined)
    .map(({ field, message, code }) => ({ reason: code, field, message }))
  const retryAfterSeconds = why.retryAfterMs === undefined ? undefined : Math.ceil(why.retryAfterMs / 1_000)
  const details = {
    ...(causes.length > 0 ? { causes } : {}),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  }
  return {
    code,
    ...(REASONS[code] ? { reason: REASONS[code] } : {}),
    message: wordsOf(why),
    ...(Object.keys(details).length > 0 ? { details } : {}),
  }
}

function wordsOf(why: Problem): string {
  const { field, detail, findings = [] } = why
  if (findings.length === 0) return inField({ message: detail, ...(field === undefined ? {} : { field }) })
  return findings.map(inField).join('; ')
}

function inField({ field, message, hint }: Pick<Finding, 'field' | 'message' | 'hint'>): string {
  const said = field === undefined || message.includes(field) ? message : `${field}: ${message}`
  return hint === undefined ? said : `${said} (${hint})`
}

/** What does not fit is left out, and said to be. */
function shortened(warnings: readonly string[]): string[] {
  const kept: string[] = []
  let left = WARNINGS_LIMIT
  for (const warning of warnings) {
    const text = warning.length > WARNING_LIMIT ? `${warning.slice(0, WARNING_LIMIT - 1)}…` : warning
    left -= text.length
    if (left < 0) break
    kept.push(text)
  }
  return kept
}
