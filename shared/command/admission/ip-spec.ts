/** What of an IP object may not change, and what "the same" means there. Pure. */
import type { KubeObject } from '../../cluster/port.ts'
import { formatAddress, parseAddress } from '../../ipam/address.ts'
import { parseMac } from '../../ipam/mac.ts'
import type { IpSpec } from '../../kube-ovn/ip-object.ts'
import { ANNOTATION_FORCE, ANNOTATION_OP, LABEL_RESERVED } from '../../kube-ovn/names.ts'
import type { Finding } from '../../problem.ts'

/** Kube-OVN logs a change of these and follows it (D11), so nobody may make one. */
export const IMMUTABLE = [
  'subnet',
  'namespace',
  'podName',
  'podType',
  'v4IpAddress',
  'v6IpAddress',
  'ipAddress',
  'macAddress',
] as const satisfies readonly (keyof IpSpec)[]

export type ImmutableField = (typeof IMMUTABLE)[number]

export type IpLike = KubeObject<Partial<Record<keyof IpSpec, unknown>>>

/** A field as text: absent, null and "" are the same value (contract.md "On Kubernetes objects"). */
export function textOf(object: IpLike | undefined, field: keyof IpSpec): string {
  const value = object?.spec?.[field]
  return typeof value === 'string' ? value : ''
}

/** Whether two spellings mean the same: addresses and MACs by value, everything else by letter. */
export function isSameField(field: ImmutableField, a: string, b: string): boolean {
  return a === b || canonical(field, a) === canonical(field, b)
}

function canonical(field: ImmutableField, text: string): string {
  if (field === 'macAddress') {
    const mac = parseMac(text)
    return mac.ok ? mac.value : text
  }
  if (!field.endsWith('IpAddress') && field !== 'ipAddress') return text
  return text
    .split(',')
    .map((part) => {
      const address = parseAddress(part)
      return address.ok ? formatAddress(address.value.family, address.value.value) : part
    })
    .join(',')
}

/** One finding for each field of `object` that is not what `is` says. */
export function changeFindings(is: IpLike, object: IpLike): Finding[] {
  return IMMUTABLE.flatMap((field): Finding[] => {
    const [kept, wished] = [textOf(is, field), textOf(object, field)]
    if (isSameField(field, kept, wished)) return []
    return [
      {
        code: 'immutable_field',
        field: `spec.${field}`,
        message: `spec.${field} is ${JSON.stringify(kept)} and cannot change to ${JSON.stringify(wished)}`,
        hint: 'to move a reservation, delete it and make another',
      },
    ]
  })
}

/** A reservation: marked so, or made by Berth and stripped of the mark (D5). */
export function isReserved(object: KubeObject | undefined): boolean {
  const { labels, annotations } = object?.metadata ?? {}
  return labels?.[LABEL_RESERVED] === 'true' || annotations?.[ANNOTATION_OP] !== undefined
}

export function isForced(object: KubeObject | undefined): boolean {
  return object?.metadata.annotations?.[ANNOTATION_FORCE] === 'true'
}

/** Objects Kube-OVN makes for itself [pkg/controller/ip.go:28-44], and those of nodes: never a reservation. */
export function isInfrastructure(name: string, object: IpLike | undefined): boolean {
  if (name.startsWith('u2o-interconnection.') || name.startsWith('mcast-querier.')) return true
  const node = textOf(object, 'nodeName')
  return textOf(object, 'namespace') === '' && node !== '' && node === textOf(object, 'podName')
}
