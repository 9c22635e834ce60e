import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import { formatAddress, parseAddress } from './address.ts'
import { type KubeOvnSubnetText, parseKubeOvnSubnet, sameReserved, statusRanges } from './kube-ovn-config.ts'
import { type Holding, KubeOvnRules } from './kube-ovn-rules.ts'
import { MapLeaseIndex } from './lease-index.ts'
import { SubnetAllocator } from './subnet.ts'
import type { Family, IpamError, Lease, SubnetConfig } from './types.ts'

interface Entry {
  readonly allocator: SubnetAllocator
  readonly leases: MapLeaseIndex
  readonly rules: KubeOvnRules
  text: KubeOvnSubnetText
}

/** What a NIC got, canonical text, `''` where absent. */
export interface Addresses {
  readonly v4: string
  readonly v6: string
  readonly mac: string
}

/** A request of Kube-OVN's IPAM; `mac` undefined is "please choose", `''` is "none". */
export interface KubeOvnRequest {
  readonly subnet: string
  readonly owner: string
  readonly nic: string
  readonly mac: string | undefined
  /** `''` or absent, `IPv4`, `IPv6`, `ipv4`, `ipv6`. */
  readonly family?: string
  readonly check: boolean
}

/**
 * Several Subnets under the rules of Kube-OVN's IPAM [pkg/ipam/ipam.go], its defects excepted (docs/ipam.md): what a
 * NIC gets that asks again, sharing, burnt addresses. For replaying recorded traces and for reading foreign state; the
 * ledger uses SubnetAllocator, which never moves or shares anything.
 */
export class Ipam {
  private readonly random: Random
  private readonly subnets = new Map<string, Entry>()

  constructor(random: Random) {
    this.random = random
  }

  /** One Subnet's allocator, to read counters and ranges. */
  subnet(name: string): SubnetAllocator | undefined {
    return this.subnets.get(name)?.allocator
  }

  get names(): readonly string[] {
    return [...this.subnets.keys()].sort()
  }

  /** AddOrUpdateSubnet [pkg/ipam/ipam.go:233-420]. @returns the leases that fell out, cut down or ended */
  setSubnet(
    name: string,
    cidr: string,
    gateway: string,
    excludes: readonly string[],
  ): Result<readonly Lease[], IpamError> {
    const entry = this.subnets.get(name)
    if (cidr === '' && entry !== undefined) {
      if (entry.allocator.config.protocol === 'Mac') return ok([])
      return err({ kind: 'invalid-cidr', field: 'cidrBlock', detail: 'a Subnet with a CIDR keeps one' })
    }
    const parsed = parseKubeOvnSubnet(cidr, gateway, excludes)
    if (!parsed.ok) return parsed
    const { config, text } = parsed.value
    if (entry === undefined) {
      const leases = new MapLeaseIndex()
      const allocator = new SubnetAllocator(config, { leases, random: this.random })
      this.subnets.set(name, { allocator, leases, rules: new KubeOvnRules(allocator, leases), text })
      return ok([])
    }
    const changed = ([4, 6] as const).filter((family) => !sameReserved(entry.text, text, family))
    entry.text = text
    return ok(this.reconfigure(entry, config, changed))
  }

  private reconfigure(entry: Entry, config: SubnetConfig, changed: readonly Family[]): readonly Lease[] {
    const { allocator, leases } = entry
    const wasMacOnly = allocator.config.protocol === 'Mac'
    const fellOut = [...allocator.configure(config, changed).fellOut]
    if (wasMacOnly) fellOut.push(...leases.all())
    for (const { nic } of fellOut) {
      const { v4, v6, ...rest } = leases.byNic(nic)!
      const inside = (family: Family, address: number | bigint | undefined) =>
        address !== undefined && (allocator.space(family)?.state(address) ?? 'outside') !== 'outside'
      const left = { ...rest, ...(inside(4, v4) ? { v4: v4! } : {}), ...(inside(6, v6) ? { v6: v6! } : {}) }
      if (left.v4 === undefined && left.v6 === undefined) leases.remove(nic)
      else leases.put(left)
    }
    return fellOut
  }

  deleteSubnet(name: string): void {
    this.subnets.delete(name)
  }

  /** GetRandomAddress(WithFamily). */
  allocateRandom(
    request: KubeOvnRequest & { readonly pool: string; readonly skip: readonly string[] },
  ): Result<Addresses, IpamError> {
    return this.request(request, (entry, family) => entry.rules.random({ ...request, family }))
  }

  /** GetStaticAddress(WithFamily). `ip` is one address, or several with commas. */
  allocateStatic(request: KubeOvnRequest & { readonly ip: string }): Result<Addresses, IpamError> {
    return this.request(request, (entry, family) => entry.rules.static({ ...request, family }))
  }

  private request(
    request: KubeOvnRequest,
    run: (entry: Entry, family: Family | undefined) => Result<Holding, IpamError>,
  ): Result<Addresses, IpamError> {
    const family = parseFamily(request.family ?? '')
    if (!family.ok) return family
    const entry = this.subnets.get(request.subnet)
    if (entry === undefined) return err(noSubnet('no-subnet', request.subnet))
    const result = run(entry, family.value)
    if (!result.ok) return result
    const { v4, v6, mac } = result.value
    return ok({
      v4: v4 === undefined ? '' : formatAddress(4, v4),
      v6: v6 === undefined ? '' : formatAddress(6, v6),
      mac,
    })
  }

  /** ReleaseAddressByPod; `subnet` `''` is every Subnet. */
  releaseOwner(owner: string, subnet: string): void {
    for (const { leases, allocator } of this.entries(subnet))
      for (const { nic } of [...leases.byOwner(owner)]) allocator.release(nic, owner)
  }

  /** ReleaseAddressByNic. Unlike Kube-OVN, another owner's NIC is left alone. */
  releaseNic(owner: string, nic: string, subnet: string): void {
    for (const { allocator } of this.entries(subnet)) allocator.release(nic, owner)
  }

  private entries(subnet: string): Iterable<Entry> {
    if (subnet === '') return this.subnets.values()
    const entry = this.subnets.get(subnet)
    return entry === undefined ? [] : [entry]
  }

  /** AddOrUpdateIPPool. */
  setPool(subnet: string, pool: string, ips: readonly string[]): Result<void, IpamError> {
    return this.subnets.get(subnet)?.allocator.setPool(pool, ips) ?? err(noSubnet('unknown-subnet', subnet))
  }

  /** RemoveIPPool; an unknown pool or Subnet is none to remove. */
  removePool(subnet: string, pool: string): void {
    this.subnets.get(subnet)?.allocator.removePool(pool)
  }

  /** RecordGatewayMAC. */
  setGatewayMac(subnet: string, mac: string): Result<void, IpamError> {
    const entry = this.subnets.get(subnet)
    if (entry === undefined) return err(noSubnet('unknown-subnet', subnet))
    entry.allocator.gatewayMac = mac.toLowerCase()
    return ok(undefined)
  }

  /** GetPodAddress, by Subnet name; families a lease lacks are left out. */
  ownerAddresses(
    owner: string,
  ): readonly { readonly subnet: string; readonly ip: string; readonly mac: string }[] {
    return this.names.flatMap((subnet) =>
      this.subnets
        .get(subnet)!
        .leases.byOwner(owner)
        .flatMap(({ v4, v6, mac }) => [
          ...(v4 === undefined ? [] : [{ subnet, ip: formatAddress(4, v4), mac }]),
          ...(v6 === undefined ? [] : [{ subnet, ip: formatAddress(6, v6), mac }]),
        ]),
    )
  }

  /** ContainAddress: whether a lease of any Subnet holds the address. */
  contains(ip: string): boolean {
    const address = parseAddress(ip)
    if (!address.ok) return false
    const { family, value } = address.value
    return [...this.subnets.values()].some(({ leases }) => leases.byAddress(family, value).length > 0)
  }

  /** IsIPAssignedToOtherPod: the holders with commas, if `owner` is not among them. Only canonical text is found. */
  assignedToOther(
    subnet: string,
    ip: string,
    owner: string,
  ): { readonly assigned: boolean; readonly owner: string } {
    const address = parseAddress(ip)
    const none = { assigned: false, owner: '' }
    if (!address.ok || formatAddress(address.value.family, address.value.value) !== ip) return none
    const holders =
      this.subnets.get(subnet)?.leases.byAddress(address.value.family, address.value.value) ?? []
    const owners = holders.map((lease) => lease.owner)
    if (owners.length === 0 || owners.includes(owner)) return none
    return { assigned: true, owner: owners.join(',') }
  }

  /** GetSubnetIPRangeString: using and available without the excluded ones. */
  rangeStrings(subnet: string, exclude: readonly string[]) {
    return statusRanges(this.subnets.get(subnet)?.allocator, exclude)
  }

  /** GetSubnetV4Mask. @returns `no-available` for an unknown Subnet or one without IPv4 */
  v4Mask(subnet: string): Result<string, IpamError> {
    const v4 = this.subnets.get(subnet)?.allocator.config.v4
    return v4 === undefined
      ? err({ kind: 'no-available', reason: 'no-family', detail: `${subnet} has no IPv4 CIDR` })
      : ok(String(v4.prefix))
  }
}

/** `family` as Kube-OVN normalises it [pkg/util/address_family.go:29]. */
function parseFamily(text: string): Result<Family | undefined, IpamError> {
  if (text === '') return ok(undefined)
  if (text === 'IPv4' || text === 'ipv4') return ok(4)
  if (text === 'IPv6' || text === 'ipv6') return ok(6)
  return err({
    kind: 'invalid-family',
    field: 'family',
    detail: `${JSON.stringify(text)} is no address family`,
  })
}

const noSubnet = (kind: 'no-subnet' | 'unknown-subnet', name: string): IpamError => ({
  kind,
  field: 'subnet',
  detail: `no Subnet ${name}`,
})
