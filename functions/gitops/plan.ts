import type { Reservation } from '../../shared/command/types.ts'
import { formatAddress, parseAddress } from '../../shared/ipam/address.ts'
import { parseMac } from '../../shared/ipam/mac.ts'
import type { ProblemCode } from '../../shared/problem.ts'
import { type BerthFile, isProtected } from './berth-file.ts'
import { type Desired, type GitFinding, keyOf } from './desired.ts'

/** A reservation that a repository answers for, since a commit of it asked for it. */
export interface Tracked {
  readonly subnet: string
  readonly namespace: string
  readonly podName: string
  /** Port name and id of the reservation. */
  readonly name: string
  readonly id: string
  readonly file: string
}

export type PlanAction =
  | 'reserve'
  | 'unchanged'
  /** It is there with another address, MAC or kind, and those cannot change. */
  | 'refuse'
  | 'release'
  /** Not asked for any more, but it stays. */
  | 'keep'
  /** Not asked for any more, and not there. */
  | 'gone'

export interface PlanEntry {
  readonly action: PlanAction
  readonly subnet: string
  readonly namespace: string
  readonly podName: string
  readonly file: string
  readonly line?: number
  readonly why?: string
  /** Of the refusal whose words `why` are; they may name others. */
  readonly code?: ProblemCode
  /** Where there is one. */
  readonly reservation?: Pick<Reservation, 'id' | 'name' | 'v4IpAddress' | 'v6IpAddress'>
}

export interface Plan {
  readonly entries: readonly PlanEntry[]
  readonly findings: readonly GitFinding[]
  /** What is not as the last commit left it. */
  readonly drift: readonly string[]
}

export interface Situation {
  readonly desired: readonly Desired[]
  readonly tracked: readonly Tracked[]
  /** What is there, by key. */
  readonly actual: ReadonlyMap<string, Reservation>
  readonly settings: BerthFile
}

/** What would be done, from what is asked for, what was, and what is there. */
export function planOf({ desired, tracked, actual, settings }: Situation): Plan {
  const entries: PlanEntry[] = []
  const findings: GitFinding[] = []
  const before = new Map(tracked.map((one) => [keyOf(one), one]))
  for (const wish of desired) {
    const there = actual.get(wish.key)
    const { subnet, namespace, podName } = wish.item
    const entry = { subnet, namespace, podName, file: wish.file, line: wish.line }
    if (!there) {
      entries.push({ ...entry, action: 'reserve' })
      continue
    }
    const differing = differences(wish, there)
    for (const { field, message } of differing)
      findings.push({ level: 'error', file: wish.file, line: wish.lineOf(field), message, of: wish.key })
    const [first] = differing
    entries.push({
      ...entry,
      action: first ? 'refuse' : 'unchanged',
      reservation: briefly(there),
      ...(first ? { why: first.message } : {}),
    })
  }
  const asked = new Set(desired.map(({ key }) => key))
  const dropped = tracked.filter((one) => !asked.has(keyOf(one)))
  const removals = removalsOf(dropped, tracked.length, actual, settings)
  entries.push(...removals.entries)
  findings.push(...removals.findings)
  return { entries, findings, drift: driftOf([...before.values()], actual) }
}

function removalsOf(
  dropped: readonly Tracked[],
  kept: number,
  actual: ReadonlyMap<string, Reservation>,
  settings: BerthFile,
): { readonly entries: PlanEntry[]; readonly findings: GitFinding[] } {
  const entries = dropped.map((one): PlanEntry => {
    const { subnet, namespace, podName, file } = one
    const entry = { subnet, namespace, podName, file }
    const there = actual.get(keyOf(one))
    if (!there) return { ...entry, action: 'gone' }
    const stay = (why: string): PlanEntry => ({ ...entry, action: 'keep', why, reservation: briefly(there) })
    if (there.id !== one.id) return stay('it is another reservation than the one asked for from here')
    if (!settings.prune) return stay('prune is off')
    if (isProtected(settings, `${namespace}/${podName}`)) return stay('it is protected')
    return { ...entry, action: 'release', reservation: briefly(there) }
  })
  const releases = entries.filter(({ action }) => action === 'release').length
  const limit = Math.max(1, Math.floor((kept * settings.threshold) / 100))
  if (releases <= limit) return { entries, findings: [] }
  const why = `${releases} of ${kept} would be released, the threshold is ${limit} (${settings.threshold} %)`
  const [first] = dropped
  return {
    entries: entries.map((entry) => (entry.action === 'release' ? { ...entry, action: 'keep', why } : entry)),
    findings: [{ level: 'error', file: first?.file ?? '', line: 1, message: `nothing is released: ${why}` }],
  }
}

const briefly = ({ id, name, v4IpAddress, v6IpAddress }: Reservation) => ({
  id,
  name,
  v4IpAddress,
  v6IpAddress,
})

/** The fields of a wish that are given and other than what is there. A field left out asks for nothing. */
function differences({ item }: Desired, there: Reservation): { field: string; message: string }[] {
  const found: { field: string; message: string }[] = []
  const compare = (
    field: string,
    wanted: string | undefined,
    has: string,
    same: (text: string) => string,
  ) => {
    if (wanted === undefined || same(wanted) === has) return
    found.push({ field, message: `${field} is ${has || 'none'} and cannot change to ${wanted}` })
  }
  compare('v4IpAddress', item.v4IpAddress, there.v4IpAddress, canonicalAddress)
  compare('v6IpAddress', item.v6IpAddress, there.v6IpAddress, canonicalAddress)
  compare('macAddress', item.macAddress, there.macAddress, canonicalMac)
  if (item.podType !== there.owner.kind)
    found.push({
      field: 'podType',
      message: `podType is ${there.owner.kind || '""'} and cannot change to ${item.podType || '""'}`,
    })
  return found
}

function canonicalAddress(text: string): string {
  const address = parseAddress(text)
  return address.ok ? formatAddress(address.value.family, address.value.value) : text
}

function canonicalMac(text: string): string {
  const mac = parseMac(text)
  return mac.ok ? mac.value : text
}

/** Each reservation of the last commit that is not as it left it. */
export function driftOf(tracked: readonly Tracked[], actual: ReadonlyMap<string, Reservation>): string[] {
  return tracked.flatMap((one) => {
    const there = actual.get(keyOf(one))
    const who = `${one.namespace}/${one.podName} in ${one.subnet}`
    if (!there) return [`${who} was released outside Git`]
    if (there.id !== one.id) return [`${who} was released and reserved again outside Git`]
    if (there.contested) return [`${who} is contested`]
    return there.state === 'bound' || there.state === 'held' ? [] : [`${who} is ${there.state}`]
  })
}
