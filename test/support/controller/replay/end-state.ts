import type { EmbeddedStore } from '../../../../shared/cluster/embedded/store.ts'
import type { Kind, KubeObject } from '../../../../shared/cluster/port.ts'
import { countersOf } from '../counters.ts'
import type { MemoryNorth } from '../north.ts'
import { NET } from '../pod-facts.ts'
import { type Labels, unify, withoutServerFields } from './compare.ts'
import type { RecordedIp, Recording } from './recording.ts'

/** What is there at the end. Without Subnets they are not looked at. */
export interface EndObjects {
  readonly ips: readonly KubeObject[]
  readonly pods: readonly KubeObject[]
  readonly subnets?: readonly KubeObject[]
}

/** What an embedded store holds. */
export function objectsOf(store: EmbeddedStore): EndObjects {
  return { ips: list(store, 'IP'), pods: list(store, 'Pod'), subnets: list(store, 'Subnet') }
}

const named = (objects: readonly KubeObject[]) =>
  [...objects].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))

/** What differs at the end, or undefined: IP objects, Pods, ports and Subnets. */
export function endState(
  recording: Recording,
  objects: EndObjects,
  north: MemoryNorth,
  known: Labels,
): string | undefined {
  let labels = known
  const parts: readonly (readonly [string, unknown, unknown])[] = [
    ['IP objects', recording.ips_after.map(recordedIp), named(objects.ips).map(ipAfter)],
    ['Pods', recording.pods_after, named(objects.pods).map(podAfter)],
    ['ports', recording.lsp_after, north.all().map(portAfter)],
    ...(objects.subnets === undefined
      ? []
      : [['Subnets', subnetsAfter(recording), named(objects.subnets).map(subnetNow)] as const]),
  ]
  for (const [what, want, got] of parts) {
    const plainWant = plainJson(want)
    const plainGot = plainJson(got)
    const next = unify(plainWant, plainGot, labels)
    if (next === undefined) return `${what} at the end: ${difference(plainGot, plainWant, labels)}`
    labels = next
  }
  return undefined
}

function difference(got: unknown, want: unknown, labels: Labels): string {
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing'
  if (!Array.isArray(got) || !Array.isArray(want)) return `${show(got)}, not ${show(want)}`
  const at = [...got, ...want].findIndex((_, index) => unify(want[index], got[index], labels) === undefined)
  return `number ${at + 1} is ${show(got[at])}, not ${show(want[at])}`
}

const plainJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))

function list(store: EmbeddedStore, kind: Kind): KubeObject[] {
  const page = store.list(kind)
  if (!page.ok) throw new Error(page.error.message)
  return page.value.items
}

/** Members that say something. */
const filled = (value: object) =>
  Object.fromEntries(
    Object.entries(value).filter(
      ([, member]) => member !== '' && !(Array.isArray(member) && member.length === 0),
    ),
  )

function recordedIp({ name, labels, finalizers, spec, deletionTimestamp, ownerReferences }: RecordedIp) {
  const owners = ownerReferences?.map(({ kind, name: owner }) => `${kind} ${owner}`) ?? []
  return { name, labels, finalizers, spec, owners, terminating: deletionTimestamp !== undefined }
}

function ipAfter({ metadata, spec }: KubeObject) {
  const { name, labels = {}, finalizers = [], ownerReferences, deletionTimestamp } = metadata
  const after = { name, labels, finalizers, spec: filled(spec as object) as Record<string, unknown> }
  return recordedIp({
    ...after,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(ownerReferences === undefined ? {} : { ownerReferences }),
  })
}

function podAfter({ metadata }: KubeObject) {
  const own = Object.entries(metadata.annotations ?? {}).filter(([key]) => key.startsWith(NET))
  return { name: metadata.name, annotations: Object.fromEntries(own) }
}

function portAfter({ name, addresses, externalIds }: ReturnType<MemoryNorth['all']>[number]) {
  return { name, addresses, external_ids: externalIds }
}

function subnetsAfter({ subnet_after }: Recording) {
  return Object.entries(subnet_after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { status, spec, finalizers }]) => ({
      name,
      counters: countersOf({ apiVersion: '', kind: 'Subnet', metadata: { name }, status }),
      cidrBlock: spec.cidrBlock,
      excludeIps: spec.excludeIps,
      finalizers: finalizers ?? [],
    }))
}

function subnetNow(object: KubeObject) {
  const spec = object.spec as Record<string, unknown>
  return {
    name: object.metadata.name,
    counters: countersOf(object),
    cidrBlock: spec.cidrBlock,
    excludeIps: spec.excludeIps,
    finalizers: object.metadata.finalizers ?? [],
  }
}

type PlainEvent = ReturnType<typeof eventOf>

function eventOf({ type, object }: { type: string; object: KubeObject }) {
  const { metadata } = object
  return {
    name: metadata.name,
    type,
    object: withoutServerFields(object),
    terminating: metadata.deletionTimestamp !== undefined,
  }
}

/**
 * Watch events on IP objects against the recorded ones, as they come. Each object's events count in their order; two
 * writes at once may reach the server in another order than they were sent.
 */
export class Events {
  private readonly left = new Map<string, PlainEvent[]>()
  private readonly store: EmbeddedStore
  private seen = '0'

  constructor(recording: Recording, store: EmbeddedStore) {
    this.store = store
    for (const event of recording.events) {
      const plain = eventOf(event)
      this.left.set(plain.name, [...(this.left.get(plain.name) ?? []), plain])
    }
  }

  /** Takes in what is new. @returns what is wrong with it, or the labels known afterwards */
  check(known: Labels): Labels | string {
    const page = this.store.eventsSince({ kind: 'IP', resourceVersion: this.seen })
    if (!page.ok) throw new Error(page.error.message)
    this.seen = page.value.resourceVersion
    let labels = known
    for (const event of page.value.events.map(eventOf)) {
      const want = this.left.get(event.name)?.shift()
      const next = unify(plainJson(want), plainJson(event), labels)
      if (next === undefined) return `event ${JSON.stringify(event)}, not ${JSON.stringify(want)}`
      labels = next
    }
    return labels
  }

  /** Objects with events that did not come. */
  missing(): string[] {
    return [...this.left].filter(([, events]) => events.length > 0).map(([name]) => name)
  }
}
