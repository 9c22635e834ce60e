import { type Finding, type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { finding } from '../schema/findings.ts'
import type { Path } from './path.ts'

export const ITEM_LIMIT = 1000

/** One thing a body asks for, and where it stands there. */
export interface Entry {
  readonly value: Readonly<Record<string, unknown>>
  readonly at: Path
}

export interface Collection {
  readonly entries: readonly Entry[]
  /** The caller wrote a list (or several documents), so a list is the answer, were it of one. */
  readonly list: boolean
  /** Fields that stand next to `items` in plain form, or next to the fields of the only plain entry. */
  readonly terms: Readonly<Record<string, unknown>>
}

/** Names that make an object a Kubernetes manifest. Nothing in plain form is called so. */
export function isManifest(value: Readonly<Record<string, unknown>>): boolean {
  return Object.hasOwn(value, 'apiVersion') || Object.hasOwn(value, 'kind')
}

/**
 * Every entry of a body in its order: one object, `{items}`, a Kubernetes `List` or `IPList`, several documents.
 * @param termNames fields of the call as a whole, only in a body of one document
 * @returns `malformed` where there is no object, `too_large` beyond 1,000 entries, `invalid_field` for a bad list
 */
export function collect(
  documents: readonly unknown[],
  termNames: readonly string[] = [],
): Result<Collection, Problem> {
  const several = documents.length > 1
  const entries: Entry[] = []
  const findings: Finding[] = []
  let list = several
  let terms: Record<string, unknown> = {}
  for (const [index, document] of documents.entries()) {
    const at: Path = several ? [index] : []
    if (!isObject(document)) return err(notAnObject(document))
    if (!isList(document)) {
      const [own, rest] = several || isManifest(document) ? [{}, document] : split(document, termNames)
      terms = own
      entries.push({ value: rest, at })
      continue
    }
    list = true
    const [own, rest] = several ? [{}, document] : split(document, termNames)
    terms = own
    findings.push(...listFindings(rest, at))
    if (!Array.isArray(rest.items)) continue
    if (entries.length + rest.items.length > ITEM_LIMIT) return err(tooMany('items'))
    const before = entries.length
    for (const [place, value] of rest.items.entries()) {
      const here = [...at, 'items', place]
      if (isObject(value)) entries.push({ value, at: here })
      else findings.push(finding('invalid_field', here, 'must be an object', before + place))
    }
  }
  if (entries.length > ITEM_LIMIT) return err(tooMany('body'))
  if (findings.length > 0) return err(problemOf(findings))
  return ok({ entries, list, terms })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(document: Record<string, unknown>): boolean {
  return Object.hasOwn(document, 'items') || document.kind === 'List' || document.kind === 'IPList'
}

function split(
  document: Record<string, unknown>,
  names: readonly string[],
): [Record<string, unknown>, Record<string, unknown>] {
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(document)) (names.includes(name) ? own : rest)[name] = value
  return [own, rest]
}

function listFindings(list: Record<string, unknown>, at: Path): Finding[] {
  const findings: Finding[] = []
  const manifest = isManifest(list)
  if (manifest) {
    const version = list.kind === 'IPList' ? 'kubeovn.io/v1' : 'v1'
    if (list.kind !== 'List' && list.kind !== 'IPList')
      findings.push(
        finding('invalid_field', [...at, 'kind'], 'must be "List" or "IPList" where items are given'),
      )
    else if (list.apiVersion !== version)
      findings.push(finding('invalid_field', [...at, 'apiVersion'], `must be "${version}"`))
  } else {
    for (const name of Object.keys(list))
      if (name !== 'items')
        findings.push(finding('invalid_field', [...at, name], 'is not a known field next to items'))
  }
  if (!Array.isArray(list.items)) findings.push(finding('invalid_field', [...at, 'items'], 'must be a list'))
  else if (list.items.length === 0)
    findings.push(finding('invalid_field', [...at, 'items'], 'must not be empty'))
  return findings
}

function notAnObject(document: unknown): Problem {
  const detail = Array.isArray(document)
    ? 'the body is a bare list; put it under items: {"items": […]}'
    : 'the body must be an object'
  return problem('malformed', detail, { field: 'body' })
}

function tooMany(field: string): Problem {
  return problem('too_large', `one call may have ${ITEM_LIMIT} items`, { field })
}
