import { formatAddress, parseAddress } from '../../../shared/ipam/address.ts'
import { parseRanges } from '../../../shared/ipam/config.ts'
import { parseKubeOvnSubnet } from '../../../shared/ipam/kube-ovn-config.ts'
import { RangeSet } from '../../../shared/ipam/range.ts'
import type { Family } from '../../../shared/ipam/types.ts'
import type { Random } from '../../../shared/random.ts'
import { err, ok, type Result } from '../../../shared/result.ts'
import { type AddressSet, none, Plane, type PoolPlane, type Value } from './ipam-plane.ts'
import { type Asked, type IpamRefusal, IpamSubnet } from './ipam-subnet.ts'
import { ALL_QUIRKS, type Quirks } from './quirks.ts'

export interface IpamRequest extends Asked {
  readonly subnet: string
  /** `''` or absent, `IPv4`, `IPv6` or in lower case. */
  readonly family?: string
}

/** What a NIC got, as text, `''` where absent. */
export interface Addresses {
  readonly v4: string
  readonly v6: string
  readonly mac: string
}

/** Kube-OVN's IPAM as it is, in memory, defects included [pkg/ipam/ipam.go]. Gone with the process that holds it. */
export class Ipam {
  private readonly random: Random
  private readonly quirks: Quirks
  private readonly subnets = new Map<string, IpamSubnet>()

  constructor(random: Random, quirks: Quirks = ALL_QUIRKS) {
    this.random = random
    this.quirks = quirks
  }

  has(subnet: string): boolean {
    return this.subnets.has(subnet)
  }

  subnet(name: string): IpamSubnet | undefined {
    return this.subnets.get(name)
  }

  get names(): readonly string[] {
    return [...this.subnets.keys()].sort()
  }

  /** AddOrUpdateSubnet. */
  setSubnet(
    name: string,
    cidr: string,
    gateway: string,
    excludes: readonly string[],
  ): Result<void, IpamRefusal> {
    const present = this.subnets.get(name)
    if (cidr === '') {
      if (present !== undefined) return present.protocol === 'Mac' ? ok(undefined) : err('CIDRInvalid')
      this.subnets.set(name, new IpamSubnet({}, this.random))
      return ok(undefined)
    }
    const parsed = parseKubeOvnSubnet(cidr, gateway, excludes)
    if (!parsed.ok) return err(parsed.error.kind === 'dual-gateway' ? 'DualGateway' : 'CIDRInvalid')
    const { config, text } = parsed.value
    const planes = present?.planes ?? {}
    for (const family of [4, 6] as const) {
      const next = config[`v${family}`]
      if (next === undefined) continue
      const reserved = (text.reserved[family] ?? none()) as AddressSet
      const gatewayText = text.gateways[family] ?? ''
      const plane = planes[family]
      if (plane === undefined) planes[family] = new Plane(next, gatewayText, reserved)
      else if (
        plane.config.cidr !== next.cidr ||
        plane.gateway !== gatewayText ||
        !plane.reserved.equals(reserved)
      )
        plane.resize(next, gatewayText, reserved, this.quirks.has('Q14'))
    }
    if (present === undefined) this.subnets.set(name, new IpamSubnet(planes, this.random))
    else present.forgetMacs()
    return ok(undefined)
  }

  deleteSubnet(name: string): void {
    this.subnets.delete(name)
  }

  /** GetRandomAddressWithFamily. */
  allocateRandom(
    request: IpamRequest & { readonly pool: string; readonly skip: readonly string[] },
  ): Result<Addresses, IpamRefusal> {
    const family = parseFamily(request.family ?? '')
    if (!family.ok) return family
    const subnet = this.subnets.get(request.subnet)
    if (subnet === undefined) return err('NoSubnet')
    const got = subnet.randomAddress(request, request.pool, family.value, request.skip)
    return got.ok ? ok(texts(got.value)) : got
  }

  /** GetStaticAddressWithFamily. `ip` is one address, or several with commas. */
  allocateStatic(request: IpamRequest & { readonly ip: string }): Result<Addresses, IpamRefusal> {
    const family = parseFamily(request.family ?? '')
    if (!family.ok) return family
    const subnet = this.subnets.get(request.subnet)
    if (subnet === undefined) return err('NoSubnet')
    if (request.ip === '' && subnet.protocol === 'Mac') {
      const got = subnet.randomAddress(request, '', undefined, [])
      return got.ok ? ok(texts(got.value)) : got
    }
    const wishes: { family: Family; value: Value }[] = []
    for (const part of request.ip.split(',')) {
      const address = parseAddress(part)
      if (!address.ok) return err('InvalidIP')
      if (family.value !== undefined && family.value !== address.value.family) return err('InvalidIPFamily')
      wishes.push(address.value)
    }
    return this.takeAll(subnet, request, wishes, family.value)
  }

  private takeAll(
    subnet: IpamSubnet,
    request: IpamRequest & { readonly ip: string },
    wishes: readonly { family: Family; value: Value }[],
    family: Family | undefined,
  ): Result<Addresses, IpamRefusal> {
    const { pod, nic, check } = request
    const held: { v4?: Value; v6?: Value } = {}
    let mac = ''
    for (const [index, wish] of wishes.entries()) {
      const got = subnet.staticOne(wish.family, wish.value, request)
      if (!got.ok) {
        if (index > 0) subnet.releaseNic(pod, nic)
        return got
      }
      mac = got.value.mac
      held[`v${wish.family}`] = wish.value
    }
    const { protocol } = subnet
    if (protocol !== 'Dual') {
      const [v4, v6] = protocol === 'IPv4' ? [request.ip, ''] : ['', request.ip]
      return ok({ v4, v6, mac })
    }
    if (family === undefined && wishes.length === 1) {
      const other = wishes[0]!.family === 4 ? 6 : 4
      const got = subnet.randomOne(other, { pod, nic, mac, check }, '', [])
      if (!got.ok) {
        // Q13: the first half stays taken.
        if (!this.quirks.has('Q13')) subnet.releaseNic(pod, nic)
        return got
      }
      held[`v${other}`] = got.value.value
    }
    return ok({ ...texts(held), mac })
  }

  /** ReleaseAddressByPod. */
  releasePod(pod: string, subnet: string): void {
    this.subnets.get(subnet)?.releasePod(pod)
  }

  /** ReleaseAddressByNic; nobody looks whose NIC it is. */
  releaseNic(pod: string, nic: string, subnet: string): void {
    this.subnets.get(subnet)?.releaseNic(pod, nic)
  }

  /** AddOrUpdateIPPool. */
  setPool(subnet: string, pool: string, ips: readonly string[]): Result<void, IpamRefusal> {
    const it = this.subnets.get(subnet)
    if (it === undefined) return err('NoSubnet')
    const parsed = parseRanges(ips)
    if (!parsed.ok) return err('InvalidIP')
    const parts = ([4, 6] as const).flatMap((family) => {
      const plane = it.planes[family]
      return plane === undefined ? [] : [{ plane, set: parsed.value[`v${family}`] as AddressSet }]
    })
    for (const { plane, set } of parts)
      for (const [name, other] of plane.pools)
        if (name !== '' && name !== pool && !set.intersect(other.ips).isEmpty) return err('PoolOverlap')
    for (const { plane, set } of parts) plane.setPool(pool, set)
    return ok(undefined)
  }

  removePool(subnet: string, pool: string): void {
    for (const plane of Object.values(this.subnets.get(subnet)?.planes ?? {})) plane.removePool(pool)
  }

  /** IPPoolStatistics, of one family. */
  poolPlane(subnet: string, pool: string, family: Family): PoolPlane | undefined {
    return this.subnets.get(subnet)?.planes[family]?.pools.get(pool)
  }

  /** GetSubnetIPRangeString: using and available without the excluded ones. */
  rangeStrings(subnet: string, excludes: readonly string[]) {
    const ranges = { v4Using: '', v6Using: '', v4Available: '', v6Available: '' }
    for (const family of [4, 6] as const) {
      const plane = this.subnets.get(subnet)?.planes[family]
      if (plane === undefined) continue
      const own = excludes.filter((text) => text.includes(':') === (family === 6))
      const parsed = parseRanges(own)
      const hidden = (parsed.ok ? parsed.value[`v${family}`] : RangeSet.empty<Value>()) as AddressSet
      ranges[`v${family}Using`] = plane.using.minus(hidden).format(family, formatAddress)
      ranges[`v${family}Available`] = plane.available.minus(hidden).format(family, formatAddress)
    }
    return ranges
  }
}

function texts({ v4, v6, mac = '' }: { v4?: Value; v6?: Value; mac?: string }): Addresses {
  return {
    v4: v4 === undefined ? '' : formatAddress(4, v4),
    v6: v6 === undefined ? '' : formatAddress(6, v6),
    mac,
  }
}

function parseFamily(text: string): Result<Family | undefined, IpamRefusal> {
  if (text === '') return ok(undefined)
  if (text === 'IPv4' || text === 'ipv4') return ok(4)
  if (text === 'IPv6' || text === 'ipv6') return ok(6)
  return err('InvalidIPFamily')
}
