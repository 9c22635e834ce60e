import type { ClusterRequest, KubeObject } from '../cluster/port.ts'
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { DEFAULT_PROVIDER } from '../kube-ovn/names.ts'
import type { LeaseView } from '../ledger/port.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import { clusterProblem } from './subnets.ts'

/** What must be known of a reservation to ask for its owner. */
export type Owned = Pick<LeaseView, 'state' | 'namespace' | 'podName' | 'podType'>

/**
 * Who among the owners is alive, so that its address must not be taken away (L1; semantics.md D18). One that cools down
 * is given back already, whoever lives.
 */
export async function livingOwners(
  ports: CommandPorts,
  leases: readonly Owned[],
): Promise<Result<Finding[], Problem>> {
  const questions = leases.flatMap((lease, item) =>
    lease.state === 'quarantined'
      ? []
      : ownerReads(lease, ports.settings.keepVmIp).map((request) => ({ lease, item, request })),
  )
  const replies = await ports.cluster.send(questions.map(({ request }) => request))
  const findings = new Map<number, Finding>()
  for (const [index, { lease, item }] of questions.entries()) {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    if (!reply.ok) {
      if (reply.error.reason === 'NotFound') continue
      return err(clusterProblem(reply.error))
    }
    const why = aliveBecause(lease, reply.value)
    if (why === undefined || findings.has(item)) continue
    findings.set(item, {
      code: 'pod_alive',
      field: 'podName',
      message: why,
      hint: `remove the ${reply.value.kind} first, or send force: true`,
      ...(leases.length > 1 ? { item } : {}),
    })
  }
  return ok([...findings.values()])
}

/**
 * What to read to know whether an owner lives. A virtual machine goes by its own name only where KEEP_VM_IP is on:
 * else its Pods go by theirs (semantics.md D25).
 */
export function ownerReads(
  lease: Pick<LeaseView, 'namespace' | 'podName' | 'podType'>,
  keepVmIp: boolean,
): ClusterRequest[] {
  const { namespace, podName } = lease
  const read = (kind: 'Pod' | 'StatefulSet' | 'VirtualMachine' | 'VirtualMachineInstance', name: string) =>
    ({ verb: 'get', ref: { kind, namespace, name } }) as const
  const reads: ClusterRequest[] = [read('Pod', podName)]
  if (lease.podType === 'VirtualMachine' && keepVmIp) {
    reads.push(read('VirtualMachine', podName), read('VirtualMachineInstance', podName))
  }
  const set = setOf(podName)
  if (lease.podType === 'StatefulSet' && set) reads.push(read('StatefulSet', set.name))
  return reads
}

/**
 * Of these, what runs just now and may have an address in kube-ovn-controller's memory: a machine's launcher Pod has a
 * name of its own, and is there as long as its instance is.
 */
export function runningReads(
  lease: Pick<LeaseView, 'namespace' | 'podName' | 'podType'>,
  keepVmIp: boolean,
): ClusterRequest[] {
  return ownerReads(lease, keepVmIp).filter(
    (request) =>
      'ref' in request && (request.ref.kind === 'Pod' || request.ref.kind === 'VirtualMachineInstance'),
  )
}

/** Why this object means that the owner lives; undefined if it does not. */
export function aliveBecause(lease: Owned, object: KubeObject): string | undefined {
  const { namespace, podName } = lease
  switch (object.kind) {
    case 'Pod': {
      const phase = (object.status as { phase?: string } | undefined)?.phase
      return phase === 'Succeeded' || phase === 'Failed' ? undefined : `Pod ${namespace}/${podName} is alive`
    }
    case 'VirtualMachineInstance': {
      const phase = (object.status as { phase?: string } | undefined)?.phase
      return phase === 'Succeeded' || phase === 'Failed'
        ? undefined
        : `VirtualMachineInstance ${namespace}/${podName} is alive`
    }
    case 'VirtualMachine':
      return isHalted(object) ? undefined : `VirtualMachine ${namespace}/${podName} is alive`
    case 'StatefulSet': {
      const set = setOf(podName)
      const spec = object.spec as { replicas?: number; ordinals?: { start?: number } } | undefined
      const start = spec?.ordinals?.start ?? 0
      const replicas = spec?.replicas ?? 1
      return set && set.ordinal >= start && set.ordinal < start + replicas
        ? `StatefulSet ${namespace}/${set.name} wants Pod ${podName}`
        : undefined
    }
    default:
      return undefined
  }
}

/** An address a living owner runs with that is not the reservation's; undefined where there is none. */
export function runsElsewhere(lease: LeaseView, object: KubeObject): string | undefined {
  if (aliveBecause(lease, object) === undefined) return undefined
  return runningAddresses(lease, object).find((text) => {
    const address = parseAddress(text)
    if (!address.ok) return false
    const { family, value } = address.value
    return formatAddress(family, value) !== (family === 4 ? lease.v4 : lease.v6)
  })
}

/** Kube-OVN's own note of a Pod's addresses, else what the Pod's or the machine's status says of its first network. */
function runningAddresses(lease: LeaseView, object: KubeObject): readonly string[] {
  const noted = object.metadata.annotations?.[`${lease.provider}.kubernetes.io/ip_address`]
  if (noted) return noted.split(',')
  if (lease.provider !== DEFAULT_PROVIDER) return []
  if (object.kind === 'Pod') {
    const { hostNetwork } = (object.spec ?? {}) as { hostNetwork?: boolean }
    const { podIPs, podIP } = (object.status ?? {}) as { podIPs?: { ip?: string }[]; podIP?: string }
    return hostNetwork ? [] : (podIPs?.map(({ ip }) => ip ?? '') ?? [podIP ?? ''])
  }
  if (object.kind !== 'VirtualMachineInstance') return []
  type Interface = { ipAddress?: string; ipAddresses?: string[] }
  const [first] = (object.status as { interfaces?: Interface[] } | undefined)?.interfaces ?? []
  return first?.ipAddresses ?? [first?.ipAddress ?? '']
}

/** A VM that is off and stays off until somebody starts it. */
function isHalted(object: KubeObject): boolean {
  const spec = object.spec as { running?: boolean; runStrategy?: string } | undefined
  const status = object.status as { printableStatus?: string } | undefined
  if (status?.printableStatus !== undefined) return status.printableStatus === 'Stopped'
  return spec?.running === false || spec?.runStrategy === 'Halted'
}

/** `web-3` is ordinal 3 of set `web` [pkg/controller/gc.go:327-349]. */
export function setOf(podName: string): { name: string; ordinal: number } | undefined {
  const match = /^(.+)-(0|[1-9]\d{0,8})$/.exec(podName)
  return match?.[1] === undefined ? undefined : { name: match[1], ordinal: Number(match[2]) }
}

/** Makes an owner exist (embedded only). @returns whether it is new */
export async function putOwner(
  ports: CommandPorts,
  manifest: KubeObject,
): Promise<Result<{ readonly created: boolean; readonly object: KubeObject }, Problem>> {
  const ref = ownerRef(manifest)
  const [present] = await ports.cluster.send([{ verb: 'get', ref }])
  if (!present) throw new Error('no reply to one request')
  if (!present.ok && present.error.reason !== 'NotFound') return err(clusterProblem(present.error))
  const [written] = await ports.cluster.send([
    present.ok
      ? {
          verb: 'replace',
          object: {
            ...manifest,
            metadata: { ...manifest.metadata, resourceVersion: present.value.metadata.resourceVersion ?? '' },
          },
        }
      : { verb: 'create', object: manifest },
  ])
  if (!written) throw new Error('no reply to one request')
  if (written.ok) return ok({ created: !present.ok, object: written.value })
  return err(
    written.error.reason === 'Invalid'
      ? problem('invalid_field', written.error.message, { field: 'body' })
      : clusterProblem({ ...written.error, retryAfterMs: 1_000 }),
  )
}

/** Removes an owner (embedded only), with the object's uid as precondition. */
export async function deleteOwner(ports: CommandPorts, ref: OwnerRef): Promise<Result<KubeObject, Problem>> {
  const missing = problem('not_found', `there is no ${ref.kind} ${ref.namespace}/${ref.name}`, {
    field: 'name',
  })
  const [present] = await ports.cluster.send([{ verb: 'get', ref }])
  if (!present) throw new Error('no reply to one request')
  if (!present.ok) return err(present.error.reason === 'NotFound' ? missing : clusterProblem(present.error))
  const uid = present.value.metadata.uid ?? ''
  const [removed] = await ports.cluster.send([{ verb: 'delete', ref, uid }])
  if (!removed) throw new Error('no reply to one request')
  if (removed.ok) return removed
  return err(removed.error.reason === 'NotFound' ? missing : clusterProblem(removed.error))
}

/** An owner Berth can be asked to make or remove. */
export interface OwnerRef {
  readonly kind: 'Pod' | 'StatefulSet' | 'VirtualMachine'
  readonly namespace: string
  readonly name: string
}

function ownerRef(manifest: KubeObject): OwnerRef {
  const { kind, metadata } = manifest
  if (kind !== 'Pod' && kind !== 'StatefulSet' && kind !== 'VirtualMachine') {
    throw new Error(`${kind} is no owner`)
  }
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name }
}
