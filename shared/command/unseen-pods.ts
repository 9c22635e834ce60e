/** Pods that kube-ovn-controller may have given an address that nobody sees yet (N1). */
import type { ClusterFailure, ClusterPort, KubeObject } from '../cluster/port.ts'
import { DEFAULT_PROVIDER, DEFAULT_VPC } from '../kube-ovn/names.ts'
import { addressAnnotation, podNets, poolAnnotation, switchAnnotation } from '../kube-ovn/pod-nets.ts'
import type { SubnetObject } from '../kube-ovn/subnet-object.ts'
import { err, ok, type Result } from '../result.ts'
import { listAll } from './facts.ts'
import type { CommandPorts } from './ports.ts'

const PAGE = 500
/** Pods looked at once more, in one call. */
const READS_AT_ONCE = 50

/** A Pod that is waited for. */
export interface UnseenPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

type Found = Result<readonly UnseenPod[], ClusterFailure>

/** Which of a Subnet's networks a Pod may have. */
interface Network {
  readonly subnet: string
  readonly provider: string
  /** Whether a Pod of this namespace that names no Subnet may be given an address here. */
  readonly serves: (namespace: string) => boolean
}

/** Pods with a network on this Subnet that have not ended and do not show its address. */
export async function unseenPods(ports: CommandPorts, object: SubnetObject): Promise<Found> {
  const network = await networkOf(ports, object)
  if (!network.ok) return network
  const pods: UnseenPod[] = []
  let token: string | undefined
  // Of the default network a Pod has its address before it leaves Pending; another may be plugged in while it runs.
  const pending = network.value.provider === DEFAULT_PROVIDER ? { fieldSelector: 'status.phase=Pending' } : {}
  do {
    const page = await ports.cluster.list('Pod', {
      ...{ limit: PAGE, ...pending },
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) return err(page.error)
    for (const pod of page.value.items) if (isUnseen(pod, network.value)) pods.push(refOf(pod))
    token = page.value.continue
  } while (token !== undefined)
  return ok(pods)
}

/** Those of them that are still so. */
export async function stillUnseen(
  { cluster }: { readonly cluster: ClusterPort },
  object: SubnetObject,
  pods: readonly UnseenPod[],
): Promise<Found> {
  const network: Network = { ...namesOf(object), serves: () => true }
  const left: UnseenPod[] = []
  for (let from = 0; from < pods.length; from += READS_AT_ONCE) {
    const some = pods.slice(from, from + READS_AT_ONCE)
    const replies = await cluster.send(
      some.map(({ namespace, name }) => ({ verb: 'get', ref: { kind: 'Pod', namespace, name } }) as const),
    )
    for (const [index, pod] of some.entries()) {
      const reply = replies[index]
      if (!reply) throw new Error('fewer replies than requests')
      if (reply.ok) {
        if (reply.value.metadata.uid === pod.uid && isUnseen(reply.value, network)) left.push(pod)
      } else if (reply.error.reason !== 'NotFound') return err(reply.error)
    }
  }
  return ok(left)
}

const refOf = ({ metadata }: KubeObject): UnseenPod => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name,
  uid: metadata.uid ?? '',
})

function isUnseen(pod: KubeObject, { subnet, provider, serves }: Network): boolean {
  const { phase } = (pod.status ?? {}) as { phase?: string }
  const { hostNetwork } = (pod.spec ?? {}) as { hostNetwork?: boolean }
  if (phase === 'Succeeded' || phase === 'Failed' || hostNetwork) return false
  const { annotations = {}, namespace = '' } = pod.metadata
  const { nets, warnings } = podNets(pod, namespace, true)
  const shows = (one: string) =>
    annotations[`${one}.kubernetes.io/allocated`] === 'true' && annotations[addressAnnotation(one)]
  const mayBeHere = (one: string) => {
    const named = annotations[switchAnnotation(one)]
    if (named) return named === subnet
    return one === provider && (annotations[poolAnnotation(one)] !== undefined || serves(namespace))
  }
  // Networks nobody can read, or that share one definition, are waited for like one of this Subnet's.
  const known = nets.map((net) => net.provider)
  const isHidden = provider !== DEFAULT_PROVIDER && (warnings.length > 0 || mentions(pod, provider))
  const providers = new Set(isHidden ? [...known, provider] : known)
  return [...providers].some((one) => mayBeHere(one) && !shows(one))
}

/** Whether its networks name the definition that a provider is made of (`nad.namespace` or `nad.namespace.ovn`). */
function mentions({ metadata }: KubeObject, provider: string): boolean {
  const [nad = ''] = provider.split('.')
  return Object.entries(metadata.annotations ?? {}).some(
    ([key, value]) => /^(k8s\.v1\.cni\.cncf|v1\.multus-cni)\.io\//.test(key) && value.includes(nad),
  )
}

function namesOf({ metadata, spec = {} }: SubnetObject) {
  return { subnet: metadata.name, provider: spec.provider || DEFAULT_PROVIDER }
}

/**
 * A Pod that names no Subnet goes to its namespace's [pkg/controller/pod.go:1967-2053]; which those are is in the Subnets.
 * Where that cannot be told from them (selectors, VPCs, pools) it may be this one.
 */
async function networkOf(
  ports: CommandPorts,
  object: SubnetObject,
): Promise<Result<Network, ClusterFailure>> {
  const names = namesOf(object)
  if (names.provider !== DEFAULT_PROVIDER) return ok({ ...names, serves: () => true })
  const [subnets, pools] = await Promise.all([listAll(ports, 'Subnet'), listAll(ports, 'IPPool')])
  if (!subnets.ok) return subnets
  if (!pools.ok && pools.error.reason !== 'NotFound') return pools
  const { namespaces = [], namespaceSelectors = [], default: isDefault, vpc } = object.spec ?? {}
  const isOpen =
    namespaceSelectors.length > 0 ||
    (pools.ok && pools.value.items.some(({ spec }) => (spec as { subnet?: string })?.subnet === names.subnet))
  const elsewhere = new Set(
    (subnets.value.items as SubnetObject[])
      .filter(({ metadata }) => metadata.name !== names.subnet)
      .flatMap(({ spec }) => spec?.namespaces ?? []),
  )
  // Of a VPC of its own it may be the default one.
  const isFallback = isDefault === true || (vpc || DEFAULT_VPC) !== DEFAULT_VPC
  return ok({
    ...names,
    serves: (namespace) =>
      isOpen || namespaces.includes(namespace) || (isFallback && !elsewhere.has(namespace)),
  })
}
