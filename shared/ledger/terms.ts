/**
 * On which terms a Subnet gives addresses: quotas of namespaces and the Subnet's policy, written as JSON in two annotations
 * of the Subnet object (ANNOTATION_QUOTAS, ANNOTATION_POLICY), where kubectl and Git can set them.
 */
import { parseRanges } from '../ipam/config.ts'
import type { RangeSet } from '../ipam/range.ts'
import { ANNOTATION_POLICY, ANNOTATION_QUOTAS, POD_TYPES, type PodType } from '../kube-ovn/names.ts'
import { err, ok, type Result } from '../result.ts'
import type { SubnetFacts, TermTexts } from './port.ts'

/** What one namespace may have in this Subnet; what is absent is not limited. */
export interface Quota {
  /** Reservations, each of one address in every family of the Subnet. */
  readonly addresses?: number
  /** Of the usable addresses, in hundredths of a percent. */
  readonly share?: number
  /** Longest lifetime of a reservation; with it each must have one. */
  readonly maxTtlSeconds?: number
}

export interface Policy {
  readonly namespaces?: ReadonlySet<string>
  readonly kinds?: ReadonlySet<PodType>
  /** A family without a range is not limited. */
  readonly ranges?: { readonly v4: RangeSet<number>; readonly v6: RangeSet<bigint> }
}

export interface Terms {
  /** By namespace; `*` is each namespace that is not named. */
  readonly quotas: ReadonlyMap<string, Quota>
  readonly policy: Policy
}

/** Which annotation cannot be read, and why. */
export interface TermsError {
  readonly annotation: string
  readonly message: string
}

const NONE: Terms = { quotas: new Map(), policy: {} }
const known = new WeakMap<TermTexts, Result<Terms, TermsError>>()

/** The terms of a Subnet, read once for each version of it. */
export function termsOf({ terms }: Pick<SubnetFacts, 'terms'>): Result<Terms, TermsError> {
  if (!terms) return ok(NONE)
  const before = known.get(terms)
  if (before) return before
  const read = parseTerms(terms)
  known.set(terms, read)
  return read
}

/** Reads both annotations. An empty text is as good as none. */
export function parseTerms({ quotas, policy }: TermTexts): Result<Terms, TermsError> {
  try {
    return ok({ quotas: readQuotas(quotas), policy: readPolicy(policy) })
  } catch (error) {
    if (error instanceof Unreadable) return err({ annotation: error.annotation, message: error.message })
    throw error
  }
}

/** On its way out of the descent; never leaves this file. */
class Unreadable extends Error {
  readonly annotation: string
  constructor(annotation: string, message: string) {
    super(message)
    this.annotation = annotation
  }
}

type Fields = Readonly<Record<string, unknown>>
/** What reads one annotation: its name, for refusals. */
type In = string

const NAMESPACE = /^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/
const COUNT_LIMIT = 2 ** 32

function readQuotas(text: string | undefined): Map<string, Quota> {
  const at = ANNOTATION_QUOTAS
  return new Map(
    Object.entries(jsonIn(at, text)).map(([namespace, value]) => {
      if (!NAMESPACE.test(namespace))
        throw new Unreadable(at, `"${shown(namespace)}" is no namespace and not *`)
      const { addresses, share, maxTtlSeconds, ...rest } = objectIn(at, value, namespace)
      refuseOthers(at, rest, namespace)
      return [
        namespace,
        {
          ...(addresses === undefined ? {} : { addresses: whole(at, addresses, `${namespace}.addresses`) }),
          ...(share === undefined ? {} : { share: percent(at, share, `${namespace}.share`) }),
          ...(maxTtlSeconds === undefined
            ? {}
            : { maxTtlSeconds: whole(at, maxTtlSeconds, `${namespace}.maxTtlSeconds`, 1) }),
        },
      ]
    }),
  )
}

/** How a policy calls the kinds of owners; podType of a Pod is "". */
const KINDS: ReadonlyMap<unknown, PodType> = new Map(POD_TYPES.map((type) => [type || 'Pod', type]))

function readPolicy(text: string | undefined): Policy {
  const at = ANNOTATION_POLICY
  const { namespaces, kinds, ranges, ...rest } = jsonIn(at, text)
  refuseOthers(at, rest, 'it')
  const types = listIn(at, kinds, 'kinds')?.map((name) => {
    const type = KINDS.get(name)
    if (type === undefined) throw new Unreadable(at, `kinds may have ${[...KINDS.keys()].join(', ')}`)
    return type
  })
  const names = listIn(at, namespaces, 'namespaces')
  const sets = parseRanges(listIn(at, ranges, 'ranges') ?? [], 'ranges')
  if (!sets.ok) throw new Unreadable(at, sets.error.detail)
  return {
    ...(names ? { namespaces: new Set(names) } : {}),
    ...(types ? { kinds: new Set(types) } : {}),
    ...(ranges === undefined ? {} : { ranges: sets.value }),
  }
}

/** The whole annotation. */
function jsonIn(at: In, text: string | undefined): Fields {
  if (!text) return {}
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    throw new Unreadable(at, 'it is not JSON')
  }
  return objectIn(at, read, 'it')
}

function objectIn(at: In, value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new Unreadable(at, `${what} must be an object`)
}

function listIn(at: In, value: unknown, what: string): string[] | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value
  throw new Unreadable(at, `${what} must be a list of strings`)
}

function whole(at: In, value: unknown, what: string, least = 0): number {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= COUNT_LIMIT) return Number(value)
  throw new Unreadable(at, `${what} must be a whole number from ${least} to 2^32`)
}

function percent(at: In, value: unknown, what: string): number {
  const found = typeof value === 'string' ? /^(\d{1,3})(?:\.(\d{1,2}))?%$/.exec(value) : null
  const hundredths = found ? Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0')) : Number.NaN
  if (hundredths <= 10_000) return hundredths
  throw new Unreadable(at, `${what} must be a percentage up to "100%", such as "12.5%"`)
}

function refuseOthers(at: In, rest: Fields, what: string): void {
  const [name] = Object.keys(rest)
  if (name !== undefined) throw new Unreadable(at, `${what} has an unknown field "${shown(name)}"`)
}

/** A name somebody wrote, as far as it can be shown. */
const shown = (name: string) => name.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, '?')
