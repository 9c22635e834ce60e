import type { ReleaseTarget } from '../../shared/command/types.ts'
import { type Finding, type Problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { check, finding } from '../schema/findings.ts'
import { ipReference } from '../schema/ip.ts'
import { blockTarget, releaseTarget, releaseTerms } from '../schema/release.ts'
import { type Collection, type Entry, isManifest } from './collect.ts'
import { type Path, spellPath } from './path.ts'
import { blockNames, blockPath, manifestPath } from './wishes.ts'

/** One target of a release. */
export interface Target {
  readonly target: ReleaseTarget
  readonly spell: (field: string) => string
}

export interface Targets {
  readonly targets: readonly Target[]
  /** The caller is to be answered with a list. */
  readonly list: boolean
}

export interface ReleaseBody extends Targets {
  readonly force: boolean
  readonly reason?: string
}

/** Names of what holds for the whole release. */
export const RELEASE_TERMS: readonly string[] = Object.keys(releaseTerms.shape)

/** Every target of a body and the terms, or everything that is wrong with them. */
export function readRelease(collection: Collection): Result<ReleaseBody, Problem> {
  const whole = check(releaseTerms, collection.terms)
  const found = targetsIn(collection)
  const findings = [...(whole.ok ? [] : whole.error), ...(found.ok ? [] : found.error)]
  if (!whole.ok || !found.ok) return err(problemOf(findings))
  const { force, reason } = whole.value
  return ok({ ...found.value, force: force ?? false, ...(reason ? { reason } : {}) })
}

/** Every target of a body, whatever is to be done to it. */
export function readTargets(collection: Collection): Result<Targets, Problem> {
  const found = targetsIn(collection)
  return found.ok ? found : err(problemOf(found.error))
}

function targetsIn({ entries, list }: Collection): Result<Targets, readonly Finding[]> {
  const targets: Target[] = []
  const findings: Finding[] = []
  const block = entries.find(({ value }) => !list && !isManifest(value) && Object.hasOwn(value, 'block'))
  if (block) {
    const owners = fromBlock(block)
    if (owners.ok) targets.push(...owners.value)
    else findings.push(...owners.error)
  }
  for (const [index, entry] of block ? [] : entries.entries()) {
    const item = list ? index : undefined
    const target = isManifest(entry.value) ? fromManifest(entry, item) : fromPlain(entry, item)
    if (target.ok) targets.push(target.value)
    else findings.push(...target.error)
  }
  if (findings.length === 0) findings.push(...otherSubnets(targets))
  return findings.length > 0 ? err(findings) : ok({ targets, list: list || block !== undefined })
}

/** All that say a Subnet must say the same one. */
function otherSubnets(targets: readonly Target[]): Finding[] {
  const subnet = targets.find(({ target }) => target.subnet)?.target.subnet
  return targets.flatMap(({ target, spell }, item): Finding[] => {
    if (!target.subnet || target.subnet === subnet) return []
    const message = `all items of one call must name one Subnet; another names ${subnet}`
    return [{ code: 'invalid_field', field: spell('subnet'), message, item }]
  })
}

function fromPlain({ value, at }: Entry, item?: number): Result<Target, readonly Finding[]> {
  const parsed = check(releaseTarget, value, at, item)
  if (!parsed.ok) return parsed
  return targetOf(parsed.value, item, (field) => [...at, field])
}

function fromBlock({ value, at }: Entry): Result<readonly Target[], readonly Finding[]> {
  const parsed = check(blockTarget, value, at)
  if (!parsed.ok) return parsed
  const { subnet, namespace, block } = parsed.value
  const spell = (field: string) => spellPath([...at, ...blockPath(field)])
  return ok(blockNames(block).map((podName) => ({ target: { namespace, podName, subnet }, spell })))
}

function fromManifest({ value, at }: Entry, item?: number): Result<Target, readonly Finding[]> {
  const parsed = check(ipReference, value, at, item)
  if (!parsed.ok) return parsed
  const { metadata, spec } = parsed.value
  const path = (field: string) => [...at, ...manifestPath(field)]
  // As `kubectl delete -f` reads it: where there is a name, it alone decides.
  if (metadata?.name) return targetOf({ name: metadata.name, subnet: spec?.subnet }, item, path)
  return targetOf(spec ?? {}, item, path)
}

interface Named {
  readonly name?: string | null | undefined
  readonly namespace?: string | null | undefined
  readonly podName?: string | null | undefined
  readonly subnet?: string | null | undefined
}

function targetOf(
  named: Named,
  item: number | undefined,
  path: (field: string) => Path,
): Result<Target, readonly Finding[]> {
  const { name, namespace, podName, subnet } = named
  const spell = (field: string) => spellPath(path(field))
  const refuse = (field: string, complaint: string) =>
    err([finding('invalid_field', path(field), complaint, item)])
  if (name) {
    if (namespace) return refuse('namespace', 'must not stand next to name')
    if (podName) return refuse('podName', 'must not stand next to name')
    return ok({ target: { name, ...(subnet ? { subnet } : {}) }, spell })
  }
  if (!namespace && !podName && !subnet)
    return refuse('name', 'is required, or namespace, podName and subnet in its place')
  if (!namespace) return refuse('namespace', 'is required where no name is given')
  if (!podName) return refuse('podName', 'is required where no name is given')
  if (!subnet) return refuse('subnet', 'is required where no name is given')
  return ok({ target: { namespace, podName, subnet }, spell })
}
