/** What a change of a reservation may be. Pure: the old object says all there is to know. */
import type { IpSpec } from '../../kube-ovn/ip-object.ts'
import {
  ANNOTATION_EPOCH,
  ANNOTATION_EXPIRES,
  ANNOTATION_OP,
  ANNOTATION_REASON,
  DEPRECATED_FINALIZER,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
  LABEL_SUBNET,
} from '../../kube-ovn/names.ts'
import { type Finding, problemOf } from '../../problem.ts'
import {
  changeFindings,
  IMMUTABLE,
  type IpLike,
  isForced,
  isInfrastructure,
  isReserved,
  isSameField,
  textOf,
} from './ip-spec.ts'
import { completing } from './json-patch.ts'
import { type Admission, allowed, denied, type Review } from './types.ts'

const MARKS = [ANNOTATION_OP, ANNOTATION_EPOCH] as const
const LABELS = [LABEL_RESERVED, LABEL_SUBNET, LABEL_NODE_NAME] as const

/**
 * Puts back what a writer left out and did not mean to change: `kubectl replace` of the file the reservation was made
 * from has no address, no labels and no finalizer. (The API server does the same for a Service's clusterIP.)
 * A single label or finalizer taken off an otherwise whole object is meant, and left to `checkUpdated`.
 */
export function completeUpdated({ object, oldObject }: Review): Admission {
  if (!object || !oldObject || !isReserved(oldObject) || isTerminating(oldObject)) return allowed()
  const [is, wished] = [oldObject as IpLike, object as IpLike]
  const spec: Record<string, unknown> = {}
  for (const [field, kept] of Object.entries(is.spec ?? {}) as [keyof IpSpec, unknown][]) {
    const value = wished.spec?.[field]
    if (value === undefined || value === null) spec[field] = kept
  }
  for (const field of IMMUTABLE) {
    const [kept, value] = [textOf(is, field), textOf(wished, field)]
    if (kept !== '' && (value === '' || isSameField(field, kept, value))) spec[field] = kept
  }
  return allowed(completing(wished, { metadata: restored(is, wished), spec }))
}

function restored(is: IpLike, wished: IpLike): Record<string, unknown> {
  const { annotations = {}, labels = {}, finalizers = [] } = is.metadata
  const marks = missing(annotations, MARKS, wished.metadata.annotations)
  const isReplaced = Object.keys(marks).length === MARKS.length
  if (!isReplaced) return Object.keys(marks).length > 0 ? { annotations: marks } : {}
  const reason = missing(annotations, [ANNOTATION_REASON, ANNOTATION_EXPIRES], wished.metadata.annotations)
  const kept = finalizers.filter((name) => name === FINALIZER || name === DEPRECATED_FINALIZER)
  const present = wished.metadata.finalizers ?? []
  const dropped = kept.filter((name) => !present.includes(name))
  return {
    annotations: { ...marks, ...reason },
    labels: missing(labels, LABELS, wished.metadata.labels),
    ...(dropped.length > 0 ? { finalizers: [...present, ...dropped] } : {}),
  }
}

function missing(
  from: Readonly<Record<string, string>>,
  names: readonly string[],
  present: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name]
      return value === undefined || Object.hasOwn(present, name) ? [] : [[name, value]]
    }),
  )
}

/** Refuses changes of what was promised, of its marks, and taking the label off; names the field. */
export function checkUpdated({ object, oldObject }: Review): Admission {
  if (!object || !oldObject) return allowed()
  if (!isReserved(oldObject)) return checkOrdinary(oldObject as IpLike, object as IpLike)
  const findings: Finding[] = [...changeFindings(oldObject as IpLike, object as IpLike)]
  for (const name of MARKS) {
    const kept = oldObject.metadata.annotations?.[name]
    if (kept === undefined || object.metadata.annotations?.[name] === kept) continue
    const field = `metadata.annotations["${name}"]`
    findings.push({ code: 'immutable_field', field, message: `${field} says whose reservation this is` })
  }
  const warnings: string[] = []
  const label = `metadata.labels["${LABEL_RESERVED}"]`
  const isUnmarked =
    oldObject.metadata.labels?.[LABEL_RESERVED] === 'true' &&
    object.metadata.labels?.[LABEL_RESERVED] !== 'true'
  if (isUnmarked && isForced(object))
    warnings.push(`${label} was taken off; the address stays reserved in Berth`)
  else if (isUnmarked)
    findings.push({
      code: 'immutable_field',
      field: label,
      message: `${label} marks a reservation, which ends only by deleting it`,
      hint: 'kubectl delete the object to give the address back',
    })
  return findings.length > 0 ? denied(problemOf(findings), warnings) : allowed([], warnings)
}

/**
 * Kube-OVN's own record of an address in use: an edit of it persists, and its counters, collection and release follow
 * the edit (D11). Most often it is the file of a reservation, applied over what a Pod has.
 */
function checkOrdinary(is: IpLike, wished: IpLike): Admission {
  const hasAddress = textOf(is, 'v4IpAddress') !== '' || textOf(is, 'v6IpAddress') !== ''
  if (!hasAddress || isTerminating(is) || isInfrastructure(is.metadata.name, is)) return allowed()
  const findings = changeFindings(is, wished).map((finding) => ({
    ...finding,
    hint: 'to keep the address it has, adopt it (POST /v1/adopt); to use another, delete its Pod first',
  }))
  return findings.length > 0 ? denied(problemOf(findings)) : allowed()
}

function isTerminating(object: { readonly metadata: { readonly deletionTimestamp?: string } }): boolean {
  return object.metadata.deletionTimestamp !== undefined
}
