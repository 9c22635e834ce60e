/** What a Pod asks for, held against its own reservation. Pure. */
import { formatAddress, parseAddress } from '../../ipam/address.ts'
import { parseMac } from '../../ipam/mac.ts'
import { joinAddresses } from '../../kube-ovn/ip-object.ts'
import { isOvnProvider, type PodNet } from '../../kube-ovn/pod-nets.ts'
import type { LeaseView } from '../../ledger/port.ts'
import type { Finding } from '../../problem.ts'

/** The reserved addresses as people read them. */
export function addressesOf(lease: LeaseView): string {
  return joinAddresses(lease.v4, lease.v6)
}

/** Whether nothing the Pod asks for is unlike its reservation. */
export function agrees(net: PodNet, lease: LeaseView): boolean {
  return contradictions(net, lease).length === 0
}

/**
 * Where a Pod asks for something else than what is reserved for it. Kube-OVN would give up the reserved address first
 * and look at the other one then (D7).
 */
export function contradictions(net: PodNet, lease: LeaseView): Finding[] {
  const findings: Finding[] = []
  const note = (field: string, message: string) =>
    findings.push({
      code: 'already_reserved',
      field: `metadata.annotations["${field}"]`,
      message,
      hint: 'leave the annotation out to use the reservation',
    })
  for (const { field, value } of net.addresses) {
    const asked = canonicalAddress(value)
    if (asked === lease.v4 || asked === lease.v6) continue
    note(field, `${lease.name} is reserved with ${addressesOf(lease)}, and the Pod asks for ${value}`)
  }
  if (net.mac && isOvnProvider(net.provider)) {
    const mac = parseMac(net.mac.value)
    if ((mac.ok ? mac.value : '') !== lease.mac)
      note(
        net.mac.field,
        `${lease.name} is reserved with MAC ${lease.mac}, and the Pod asks for ${net.mac.value}`,
      )
  }
  if (net.subnet && net.subnet.value !== lease.subnet)
    note(
      net.subnet.field,
      `${lease.name} is reserved in Subnet ${lease.subnet}, and the Pod asks for ${net.subnet.value}`,
    )
  return findings
}

/** RFC 5952 or dotted quad; what cannot be read stays as it is. */
export function canonicalAddress(text: string): string {
  const address = parseAddress(text)
  return address.ok ? formatAddress(address.value.family, address.value.value) : text
}
