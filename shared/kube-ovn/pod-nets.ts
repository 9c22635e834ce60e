/**
 * What a Pod says about its NICs: which port names it will have and which addresses it asks for. Pure; names and
 * precedence are Kube-OVN's [pkg/controller/pod.go:456-492, 2105-2345, 2467-2629].
 */
import ipaddr from 'ipaddr.js'
import type { KubeObject } from '../cluster/port.ts'
import { parseAddress } from '../ipam/address.ts'
import { DEFAULT_PROVIDER, type PodType, portName } from './names.ts'

/** Multus: networks besides the default one, and another one in its place. */
const NETWORKS = 'k8s.v1.cni.cncf.io/networks'
const DEFAULT_NETWORK = 'v1.multus-cni.io/default-network'

export const addressAnnotation = (provider: string) => `${provider}.kubernetes.io/ip_address`
export const macAnnotation = (provider: string) => `${provider}.kubernetes.io/mac_address`
export const poolAnnotation = (provider: string) => `${provider}.kubernetes.io/ip_pool`
export const switchAnnotation = (provider: string) => `${provider}.kubernetes.io/logical_switch`

/** Only ports in OVN take a MAC from an annotation [pkg/controller/pod.go:2525]. */
export function isOvnProvider(provider: string): boolean {
  return provider === DEFAULT_PROVIDER || /^[^.]+\.[^.]+\.ovn$/.test(provider)
}

/** Something a Pod asks for, and the annotation it stands in. */
export interface Asked {
  readonly field: string
  readonly value: string
}

/** One NIC as it may be reserved. */
export interface PodNet {
  readonly provider: string
  readonly port: string
  /** Addresses asked for, one each, as written. */
  readonly addresses: readonly Asked[]
  /** Addresses of an `ip_pool` list that it may be given where it asks for none; a pool's name is not one. */
  readonly pooled: readonly Asked[]
  readonly mac?: Asked
  readonly subnet?: Asked
}

export interface PodNets {
  /** Pod or VM name that the port names are made of; "" where the Pod has no name yet. */
  readonly owner: string
  readonly podType: PodType
  readonly nets: readonly PodNet[]
  /** What could not be made sense of, in plain words. */
  readonly warnings: readonly string[]
}

interface Attachment {
  readonly nad: string
  readonly namespace: string
  readonly interface: string
  readonly ips: readonly string[]
  readonly mac: string
}

/**
 * The NICs of a Pod. A NetworkAttachmentDefinition may be an OVN network (`nad.namespace.ovn`) or lend only its
 * addresses (`nad.namespace`); which one is not in the Pod, so both are given. NICs that share one NAD are left out:
 * no reservation has their name (D24).
 */
export function podNets(pod: KubeObject, namespace: string, keepVmIp: boolean): PodNets {
  const annotations = pod.metadata.annotations ?? {}
  const vm = vmOf(pod)
  const owner = keepVmIp && vm !== undefined ? vm : (pod.metadata.name ?? '')
  const warnings: string[] = []
  const attachments: Attachment[] = []
  for (const key of [DEFAULT_NETWORK, NETWORKS]) {
    const read = readAttachments(annotations[key] ?? '', namespace)
    if (read) attachments.push(...read)
    else warnings.push(`annotation ${key} cannot be read, so its networks were not looked at`)
  }
  const setOrdinal = podTypeOf(pod) === 'StatefulSet' ? ordinalOf(pod.metadata.name ?? '') : undefined
  const nets: PodNet[] = []
  const add = (provider: string, attachment?: Attachment) => {
    nets.push({
      provider,
      port: portName(owner, namespace, provider),
      ...asked(annotations, provider, attachment),
      pooled: pooled(annotations, provider, setOrdinal),
    })
  }
  const counted = new Map<string, number>()
  const nadKey = ({ nad, namespace }: Attachment) => `${nad}.${namespace}`
  for (const one of attachments) counted.set(nadKey(one), (counted.get(nadKey(one)) ?? 0) + 1)
  for (const one of attachments) {
    if (counted.get(nadKey(one)) !== 1) continue
    add(`${nadKey(one)}.ovn`, one)
    add(nadKey(one), one)
  }
  if (!Object.hasOwn(annotations, DEFAULT_NETWORK)) add(DEFAULT_PROVIDER)
  return { owner, podType: podTypeOf(pod), nets, warnings }
}

/** Kind of the owner as Kube-OVN derives it [pkg/controller/pod.go:3158-3167]. */
export function podTypeOf(pod: KubeObject): PodType {
  if ((pod.metadata.ownerReferences ?? []).some(({ kind }) => kind === 'StatefulSet')) return 'StatefulSet'
  return vmOf(pod) === undefined ? '' : 'VirtualMachine'
}

/** Name of the VM a virt-launcher Pod runs [pkg/controller/pod.go:3023-3032]. */
function vmOf(pod: KubeObject): string | undefined {
  return (pod.metadata.ownerReferences ?? []).find(
    ({ apiVersion, kind }) => kind === 'VirtualMachineInstance' && apiVersion.startsWith('kubevirt.io/'),
  )?.name
}

function asked(annotations: Readonly<Record<string, string>>, provider: string, attachment?: Attachment) {
  const read = (field: string): Asked[] => {
    const value = annotations[field]?.trim()
    return value ? [{ field, value }] : []
  }
  const own = attachment && `${attachment.nad}.${attachment.namespace}.kubernetes.io`
  const texts = [
    ...(own ? read(`${own}/ip_address.${attachment.interface}`) : []),
    ...read(addressAnnotation(provider)),
    ...(attachment?.ips ?? []).map((value) => ({ field: NETWORKS, value })),
  ]
  const addresses = texts.flatMap(({ field, value }) =>
    value.split(',').map((part) => ({ field, value: unmapped(withoutPrefix(part.trim())) })),
  )
  const [mac] = [
    ...(own ? read(`${own}/mac_address.${attachment.interface}`) : []),
    ...read(macAnnotation(provider)),
    ...(attachment?.mac ? [{ field: NETWORKS, value: attachment.mac }] : []),
  ]
  const [subnet] = read(switchAnnotation(provider))
  return { addresses, ...(mac ? { mac } : {}), ...(subnet ? { subnet } : {}) }
}

/**
 * The list of an `ip_pool` annotation: `;` between entries that may hold one address per family, else `,`. A
 * StatefulSet's Pod gets the entry of its ordinal, any other the first that is free
 * [pkg/controller/pod.go:2631-2753].
 */
function pooled(
  annotations: Readonly<Record<string, string>>,
  provider: string,
  setOrdinal: number | undefined,
): Asked[] {
  const field = poolAnnotation(provider)
  const entries = poolEntries(annotations[field] ?? '')
  return (setOrdinal === undefined ? entries : entries.slice(setOrdinal, setOrdinal + 1))
    .flatMap((entry) => entry.split(','))
    .map((part) => unmapped(part.trim()))
    .filter((value) => parseAddress(value).ok)
    .map((value) => ({ field, value }))
}

function poolEntries(text: string): string[] {
  if (text.includes(';')) return text.split(';')
  const parts = text.split(',')
  const isPair = parts.length === 2 && parts[0]!.includes(':') !== parts[1]!.includes(':')
  return isPair ? [text] : parts
}

/** The number a StatefulSet gave its Pod: `web-3` is 3. */
function ordinalOf(name: string): number | undefined {
  const digits = /-(\d+)$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Kube-OVN reads an IPv4-mapped IPv6 address as the IPv4 address it is [Go net.ParseIP]. */
function unmapped(text: string): string {
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return text
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : text
}

/** Network requests may carry a prefix length: `10.16.0.3/16`. */
function withoutPrefix(text: string): string {
  const [address = ''] = text.split('/')
  return parseAddress(unmapped(address)).ok ? address : text
}

/**
 * A networks annotation: a JSON list, or `namespace/name@interface` with commas
 * [k8snetworkplumbingwg/network-attachment-definition-client pkg/utils/net-attach-def.go]. Undefined: unreadable.
 */
function readAttachments(text: string, namespace: string): Attachment[] | undefined {
  if (text.trim() === '') return []
  return /[[{"]/.test(text) ? fromJson(text, namespace) : fromWords(text, namespace)
}

function fromWords(text: string, namespace: string): Attachment[] | undefined {
  const attachments: Attachment[] = []
  for (const word of text.split(',')) {
    const match = /^(?:([^/@\s]+)\/)?([^/@\s]+)(?:@([^/@\s]+))?$/.exec(word.trim())
    if (!match?.[2]) return undefined
    attachments.push({
      nad: match[2],
      namespace: match[1] ?? namespace,
      interface: match[3] ?? '',
      ips: [],
      mac: '',
    })
  }
  return attachments
}

function fromJson(text: string, namespace: string): Attachment[] | undefined {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(list)) return undefined
  const attachments: Attachment[] = []
  for (const entry of list as unknown[]) {
    if (typeof entry !== 'object' || entry === null) return undefined
    const { name, namespace: own, interface: nic, ips, mac } = entry as Record<string, unknown>
    if (typeof name !== 'string' || name === '') return undefined
    attachments.push({
      nad: name,
      namespace: typeof own === 'string' && own !== '' ? own : namespace,
      interface: typeof nic === 'string' ? nic : '',
      ips: Array.isArray(ips) ? ips.filter((ip) => typeof ip === 'string') : [],
      mac: typeof mac === 'string' ? mac : '',
    })
  }
  return attachments
}
