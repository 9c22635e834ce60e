import type { IpObject } from '../../kube-ovn/ip-object.ts'
import { ANNOTATION_EPOCH, ANNOTATION_OP, LABEL_RESERVED } from '../../kube-ovn/names.ts'
import type { LeaseView } from '../../ledger/port.ts'
import { problem, problemOf } from '../../problem.ts'
import { objectOf } from '../evidence.ts'
import type { CommandPorts } from '../ports.ts'
import { carrierOf, previewPorts } from '../preview-ports.ts'
import { holdIn } from '../reserve.ts'
import type { ReserveItem } from '../types.ts'
import { changeFindings, type IpLike, isInfrastructure } from './ip-spec.ts'
import { completing } from './json-patch.ts'
import { ownerKindFinding } from './owner-kind.ts'
import { type Admission, allowed, denied, type IpReview, tenantOf } from './types.ts'

/**
 * Completes a created IP object in the same write: the address is held first, then the object gets address, MAC,
 * labels, the operation's mark and (alone) the finalizer. The hold becomes a promise when the object is seen, and is
 * let go if it never comes (P22). Asked again, by whom ever, it gives the same answer.
 */
export async function completeCreated(ports: CommandPorts, review: IpReview): Promise<Admission> {
  const object = objectIn(review)
  if (isInfrastructure(review.name, object)) return allowed()
  const complaint = headFinding(ports, object)
  if (complaint) return denied(problemOf([complaint]))
  const item = itemIn(review)
  const own = review.user === ports.settings.account
  if (own) return ownPost(ports, item, review.name, object)
  const inTheWay = await portsInTheWay(ports, item)
  if (inTheWay) return inTheWay
  const opened = await holdIn(ports, item.subnet, {
    tenant: tenantOf(ports.clusterName, review.user),
    mode: ports.settings.authority,
    bodyHash: '',
    items: [item],
    dryRun: review.dryRun,
    admission: true,
  })
  switch (opened.kind) {
    case 'answer': {
      if (opened.answer.kind === 'refused') return denied(opened.answer.problem)
      const [lease] = opened.answer.leases
      if (!lease) throw new Error('a hold without a lease')
      return review.dryRun ? completed(ports, review, lease) : vacant(ports, review, lease)
    }
    case 'busy':
      return denied(opened.problem)
    case 'drive':
    case 'join':
      throw new Error(`a hold at admission cannot end as ${opened.kind}`)
    default:
      return opened satisfies never
  }
}

function completed(ports: CommandPorts, review: IpReview, lease: LeaseView): Admission {
  const object = objectIn(review)
  return allowed(patchFor(ports, object, lease, review.dryRun), warningsFor(ports, itemIn(review), lease))
}

/** Addresses tried, where ports carry those that were chosen. */
const TRIES = 4

/** What was chosen is looked for in OVN, too, and given up for another where a port carries it (vacancy.ts). */
async function vacant(ports: CommandPorts, review: IpReview, held: LeaseView): Promise<Admission> {
  let lease = held
  for (let tries = 0; tries < TRIES; tries++) {
    // One whose object was seen is a promise already.
    if (lease.state !== 'held') return completed(ports, review, lease)
    const carrier = await carrierOf(ports, lease)
    if (!carrier.ok) return denied(carrier.error)
    if (carrier.value === undefined) return completed(ports, review, lease)
    const { name, origin } = lease
    const other = await ports.ledger(lease.subnet).carried({ name, operation: origin, ...carrier.value })
    if (other.kind === 'busy') return denied(other.problem)
    if (other.kind !== 'answer') throw new Error(`a hold given up to a port cannot end as ${other.kind}`)
    if (other.answer.kind === 'refused') return denied(other.answer.problem)
    const [next] = other.answer.leases
    if (!next) throw new Error('a hold without a lease')
    lease = next
  }
  const detail = 'others have the addresses that were chosen; try again'
  return denied(problem('unavailable', detail, { retryAfterMs: 1_000 }))
}

/**
 * Whether a created object is what the ledger holds for it. What did not come through `completeCreated` is refused, for
 * nobody has looked whether its address is free.
 */
export async function checkCreated(ports: CommandPorts, review: IpReview): Promise<Admission> {
  const object = objectIn(review)
  if (isInfrastructure(review.name, object)) return allowed()
  const complaint = headFinding(ports, object)
  if (complaint) return denied(problemOf([complaint]))
  const item = itemIn(review)
  const [wrongKind, lease] = await Promise.all([
    ownerKindFinding(ports, item),
    review.dryRun ? undefined : ports.ledger(item.subnet).find(review.name),
  ])
  if (wrongKind) return denied(problemOf([wrongKind]))
  if (review.dryRun) return explained(ports, item)
  if (!lease || !isPromised(lease) || object.metadata.annotations?.[ANNOTATION_OP] !== lease.origin) {
    const why = await explained(ports, item)
    return why.kind === 'denied' ? why : denied(NOT_COMPLETED)
  }
  const changed = changeFindings(objectOf(lease, ports.settings.authority), object)
  return changed.length > 0 ? denied(problemOf(changed)) : allowed()
}

const NOT_COMPLETED = problem(
  'unavailable',
  'this object did not come through the mutating webhook of Berth, so nothing was reserved for it',
  { field: `metadata.annotations["${ANNOTATION_OP}"]` },
)

/** What a reserve would say now. */
async function explained(ports: CommandPorts, item: ReserveItem): Promise<Admission> {
  const opened = await previewed(ports, item)
  return opened.kind === 'answer' && opened.answer.kind === 'refused'
    ? denied(opened.answer.problem)
    : allowed()
}

const previewed = (ports: CommandPorts, item: ReserveItem) =>
  holdIn(ports, item.subnet, {
    tenant: '',
    mode: ports.settings.authority,
    bodyHash: '',
    items: [item],
    dryRun: true,
  })

/** A logical switch port of the name, or with the address that is asked for; looked for before anything is held. */
async function portsInTheWay(ports: CommandPorts, item: ReserveItem): Promise<Admission | undefined> {
  // Beside the controller ports are its own affair.
  const asksOvn = ports.settings.ovn && ports.settings.authority === 'alone'
  if (!asksOvn && !ports.spaces?.(item.subnet)) return undefined
  const opened = await previewed(ports, item)
  if (opened.kind !== 'answer' || opened.answer.kind !== 'done') return undefined
  const findings = await previewPorts(ports, opened.answer.leases, [item])
  return findings.length > 0 ? denied(problemOf(findings)) : undefined
}

/** Berth's own POST comes in by this door too: answered from its row, never waiting for its own operation. */
async function ownPost(
  ports: CommandPorts,
  item: ReserveItem,
  name: string,
  object: IpLike,
): Promise<Admission> {
  const lease = await ports.ledger(item.subnet).find(name)
  const operation = object.metadata.annotations?.[ANNOTATION_OP]
  if (lease && operation === lease.origin && isPromised(lease)) return allowed()
  return denied(problem('releasing', `${name} is not what an open operation of Berth asks for`))
}

function isPromised(lease: LeaseView): boolean {
  return lease.state === 'held' || lease.state === 'bound' || lease.state === 'stranded'
}

function patchFor(ports: CommandPorts, object: IpLike, lease: LeaseView, dryRun: boolean) {
  const whole: IpObject = objectOf(lease, ports.settings.authority)
  const { annotations = {}, labels = {}, finalizers = [] } = whole.metadata
  // A dry run holds nothing, so there is no operation to name.
  const marks = dryRun ? without(annotations, [ANNOTATION_OP, ANNOTATION_EPOCH]) : annotations
  const present = object.metadata.finalizers ?? []
  const missing = finalizers.filter((name) => !present.includes(name))
  return completing(object, {
    metadata: {
      labels,
      ...(Object.keys(marks).length > 0 ? { annotations: marks } : {}),
      ...(missing.length > 0 ? { finalizers: [...present, ...missing] } : {}),
    },
    spec: whole.spec,
  })
}

function without(record: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)))
}

/** What is wrong with the object's own metadata. */
function headFinding(ports: CommandPorts, object: IpLike) {
  const { name, labels, finalizers = [] } = object.metadata
  if (!name) {
    return {
      code: 'invalid_name',
      field: 'metadata.generateName',
      message: 'the name of a reservation is its port name and cannot be generated',
    } as const
  }
  if (labels?.[LABEL_RESERVED] === 'false') {
    return {
      code: 'invalid_field',
      field: `metadata.labels["${LABEL_RESERVED}"]`,
      message: 'ip_reserved "false" marks what Kube-OVN makes for a Pod by itself',
      hint: 'leave the label out to reserve an address',
    } as const
  }
  if (ports.settings.authority === 'beside' && finalizers.length > 0) {
    return {
      code: 'invalid_field',
      field: 'metadata.finalizers',
      message: 'kube-ovn-controller passes over an object that is created with a finalizer',
      hint: 'leave metadata.finalizers out',
    } as const
  }
  return undefined
}

function warningsFor(ports: CommandPorts, item: ReserveItem, lease: LeaseView): string[] {
  const warnings: string[] = []
  if (item.podType === 'VirtualMachine' && !ports.settings.keepVmIp)
    warnings.push('KEEP_VM_IP is false: the Pods of a VM do not get the address reserved for the VM')
  if (lease.state === 'stranded')
    warnings.push(`Subnet ${lease.subnet} does not contain the reserved address any more`)
  if (lease.contested) warnings.push('somebody else holds the reserved address too')
  return warnings
}

function objectIn({ object }: IpReview): IpLike {
  if (!object) throw new Error('a create without an object')
  return object as IpLike
}

function itemIn({ item }: IpReview): ReserveItem {
  if (!item) throw new Error('a create without a wish')
  return item
}
