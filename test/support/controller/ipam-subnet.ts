import { parseAddress } from '../../../shared/ipam/address.ts'
import { RangeSet } from '../../../shared/ipam/range.ts'
import type { Family } from '../../../shared/ipam/types.ts'
import type { Random } from '../../../shared/random.ts'
import { err, ok, type Result } from '../../../shared/result.ts'
import type { Plane, Value } from './ipam-plane.ts'

/** Why Kube-OVN's IPAM refuses, by its own names [pkg/ipam/ipam.go]. */
export type IpamRefusal =
  | 'NoSubnet'
  | 'AddressOutOfRange'
  | 'AddressConflict'
  | 'NoAvailableAddress'
  | 'CIDRInvalid'
  | 'InvalidIPFamily'
  | 'InvalidIP'
  | 'DualGateway'
  | 'PoolOverlap'

/** Who asks. `mac` undefined is "please choose", `''` is "none"; `check` refuses what others hold. */
export interface Asked {
  readonly pod: string
  readonly nic: string
  readonly mac: string | undefined
  readonly check: boolean
}

export interface Got {
  readonly value: Value
  readonly mac: string
}

/**
 * One Subnet of Kube-OVN's IPAM with its defects [pkg/ipam/subnet.go]: what a refused request gave up stays given up,
 * MACs are text, a sharer's NIC stays bound. shared/ipam keeps the same rules without the defects.
 */
export class IpamSubnet {
  readonly planes: { 4?: Plane; 6?: Plane }
  gatewayMac = ''
  private readonly random: Random
  private readonly nicToMac = new Map<string, string>()
  private readonly macToPod = new Map<string, string>()
  private readonly podToNics = new Map<string, string[]>()

  constructor(planes: { 4?: Plane; 6?: Plane }, random: Random) {
    this.planes = planes
    this.random = random
  }

  get protocol(): 'Dual' | 'IPv4' | 'IPv6' | 'Mac' {
    if (this.planes[4] && this.planes[6]) return 'Dual'
    return this.planes[4] ? 'IPv4' : this.planes[6] ? 'IPv6' : 'Mac'
  }

  /** [subnet.go GetRandomAddressWithFamily] */
  randomAddress(
    asked: Asked,
    pool: string,
    family: Family | undefined,
    skip: readonly string[],
  ): Result<{ v4?: Value; v6?: Value; mac: string }, IpamRefusal> {
    const { protocol } = this
    if (family !== undefined && protocol !== 'Dual' && protocol !== 'Mac' && protocol !== `IPv${family}`)
      return err('InvalidIPFamily')
    const result = this.randomOf(asked, pool, family, skip)
    this.list(asked.pod, asked.nic)
    return result
  }

  private randomOf(asked: Asked, pool: string, family: Family | undefined, skip: readonly string[]) {
    const { protocol } = this
    if (protocol === 'Mac') return this.macOnly(asked)
    if (protocol === 'Dual' && family === undefined) return this.randomPair(asked, pool, skip)
    const which = family ?? (protocol === 'IPv4' ? 4 : 6)
    const got = this.randomOne(which, asked, pool, skip)
    return got.ok ? ok({ [`v${which}`]: got.value.value, mac: got.value.mac }) : got
  }

  private macOnly(asked: Asked): Result<{ mac: string }, IpamRefusal> {
    if (asked.mac === undefined || asked.mac === '') return ok({ mac: this.randomMac(asked) })
    return this.staticMac(asked, asked.mac) ? ok({ mac: asked.mac }) : err('AddressConflict')
  }

  /** A v6 half that fails takes back only a v4 half that this call took. */
  private randomPair(asked: Asked, pool: string, skip: readonly string[]) {
    const before = this.planes[4]!.nicToIp.get(asked.nic)
    const v4 = this.randomOne(4, asked, pool, skip)
    if (!v4.ok) return v4
    const v6 = this.randomOne(6, asked, pool, skip)
    if (!v6.ok) {
      if (before !== v4.value.value) {
        this.releaseFamily(4, asked.pod, asked.nic)
        this.unlist(asked.pod, asked.nic)
      }
      return v6
    }
    return ok({ v4: v4.value.value, v6: v6.value.value, mac: v6.value.mac })
  }

  /** [subnet.go getV4RandomAddress]: the NIC's own address again, whatever was asked for, else the pool's lowest. */
  randomOne(
    family: Family,
    asked: Asked,
    poolName: string,
    skip: readonly string[],
  ): Result<Got, IpamRefusal> {
    const plane = this.planes[family]!
    const { pod, nic } = asked
    const current = plane.nicToIp.get(nic)
    const mac = this.nicToMac.get(nic) ?? ''
    if (current !== undefined && (mac !== '' || asked.mac === '')) {
      if (!skip.includes(plane.text(current))) return ok({ value: current, mac })
      this.releaseFamily(family, pod, nic)
    }
    const pool = plane.pools.get(poolName)
    if (pool === undefined) return err('NoAvailableAddress')
    const value = plane.pick(pool, skipped(family, skip))
    if (value === 'none') return err('NoAvailableAddress')
    if (value === 'skipped') return err('AddressConflict')
    plane.markUsed(pool, value)
    plane.nicToIp.set(nic, value)
    plane.ipToPod.set(plane.text(value), pod)
    this.list(pod, nic)
    if (asked.mac === undefined) return ok({ value, mac: this.randomMac(asked) })
    if (this.staticMac(asked, asked.mac)) return ok({ value, mac: asked.mac })
    this.releaseFamily(family, pod, nic)
    this.unlist(pod, nic)
    return err('AddressConflict')
  }

  /** [subnet.go GetStaticAddress]: the NIC's other address of the family is given up before anything is looked at (D7). */
  staticOne(family: Family, value: Value, asked: Asked): Result<Got, IpamRefusal> {
    const plane = this.planes[family]
    const pool = plane?.contains(value) ? plane.poolOf(value) : undefined
    if (plane === undefined || pool === undefined) return err('AddressOutOfRange')
    if (asked.check && sameAddress(plane, value)) return err('AddressConflict')
    const { pod, nic } = asked
    const current = plane.nicToIp.get(nic)
    if (current !== undefined && current !== value) this.releaseFamily(family, pod, nic)
    const result = this.holdStatic(plane, value, asked, pool)
    this.list(pod, nic)
    return result
  }

  private holdStatic(
    plane: Plane,
    value: Value,
    asked: Asked,
    pool: ReturnType<Plane['poolOf']> & object,
  ): Result<Got, IpamRefusal> {
    const { pod, nic, check } = asked
    const mac = asked.mac ?? this.nicToMac.get(nic) ?? this.randomMac(asked)
    if (asked.mac !== undefined && !this.staticMac(asked, asked.mac)) return err('AddressConflict')
    const text = plane.text(value)
    const holders = plane.ipToPod.get(text)
    if (holders !== undefined) {
      if (holders.split(',').includes(pod)) return ok({ value, mac })
      if (check) return err('AddressConflict')
      // N1: shared. Counters do not move.
      plane.nicToIp.set(nic, value)
      plane.ipToPod.set(text, `${holders},${pod}`)
      return ok({ value, mac })
    }
    if (!plane.claim(pool, value)) return err('NoAvailableAddress')
    plane.nicToIp.set(nic, value)
    plane.ipToPod.set(text, pod)
    plane.markUsed(pool, value)
    return ok({ value, mac })
  }

  releasePod(pod: string): void {
    for (const nic of [...(this.podToNics.get(pod) ?? [])]) this.releaseNic(pod, nic)
  }

  /** [subnet.go ReleaseAddressWithNicName] */
  releaseNic(pod: string, nic: string): void {
    this.releaseFamily(4, pod, nic)
    this.releaseFamily(6, pod, nic)
    if (!this.holds(nic)) this.dropMac(nic)
    this.unlist(pod, nic)
  }

  private releaseFamily(family: Family, pod: string, nic: string): void {
    if (this.planes[family]?.release(pod, nic) && !this.holds(nic)) this.dropMac(nic)
  }

  private holds(nic: string): boolean {
    return this.planes[4]?.nicToIp.has(nic) === true || this.planes[6]?.nicToIp.has(nic) === true
  }

  /** NICs that fell out of a new CIDR lose their MAC too. */
  forgetMacs(): void {
    for (const nic of [...this.nicToMac.keys()]) if (!this.holds(nic)) this.dropMac(nic)
  }

  private dropMac(nic: string): void {
    const mac = this.nicToMac.get(nic)
    if (mac === undefined) return
    this.nicToMac.delete(nic)
    this.macToPod.delete(mac)
  }

  /** [subnet.go GetRandomMac; pkg/util/net.go:43-61] */
  private randomMac({ pod, nic }: Asked): string {
    const own = this.nicToMac.get(nic)
    if (own !== undefined) return own
    for (;;) {
      const bytes = this.random.bytes(6)
      bytes[0] = (bytes[0]! | 2) & 0xfe
      const mac = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
      if (this.macToPod.has(mac) || mac === this.gatewayMac) continue
      this.macToPod.set(mac, pod)
      this.nicToMac.set(nic, mac)
      return mac
    }
  }

  /** Any text is a MAC, compared letter by letter; one that is replaced stays taken (D10). */
  private staticMac({ pod, nic, check }: Asked, mac: string): boolean {
    if (mac === '') return true
    const holder = this.macToPod.get(mac)
    if (check && ((holder !== undefined && holder !== pod) || mac === this.gatewayMac)) return false
    this.macToPod.set(mac, pod)
    this.nicToMac.set(nic, mac)
    return true
  }

  private list(pod: string, nic: string): void {
    if (!this.holds(nic) && (this.nicToMac.get(nic) ?? '') === '') return
    const nics = this.podToNics.get(pod) ?? []
    if (nics.at(-1) !== nic) this.podToNics.set(pod, [...nics, nic])
  }

  private unlist(pod: string, nic: string): void {
    const left = (this.podToNics.get(pod) ?? []).filter((other) => other !== nic)
    if (left.length > 0) this.podToNics.set(pod, left)
    else this.podToNics.delete(pod)
  }

  /** `pod`'s addresses as text, one entry a family, `''` where a NIC lacks it. */
  addressesOf(pod: string): { readonly ip: string; readonly mac: string }[] {
    return (this.podToNics.get(pod) ?? []).flatMap((nic) =>
      ([4, 6] as const).flatMap((family) => {
        const plane = this.planes[family]
        if (plane === undefined) return []
        const value = plane.nicToIp.get(nic)
        return [{ ip: value === undefined ? '' : plane.text(value), mac: this.nicToMac.get(nic) ?? '' }]
      }),
    )
  }

  /** The holders with commas, if `pod` is not among them. `ip` is looked up as it is written. */
  assignedToOther(ip: string, pod: string): string | undefined {
    const holders = this.planes[4]?.ipToPod.get(ip) ?? this.planes[6]?.ipToPod.get(ip)
    return holders === undefined || holders.split(',').includes(pod) ? undefined : holders
  }
}

function sameAddress(plane: Plane, value: Value): boolean {
  const gateway = parseAddress(plane.gateway)
  return gateway.ok && gateway.value.family === plane.family && gateway.value.value === value
}

function skipped(family: Family, texts: readonly string[]) {
  const ranges = texts.flatMap((text) => {
    const address = parseAddress(text)
    if (!address.ok || address.value.family !== family) return []
    return [{ from: address.value.value as Value, to: address.value.value as Value }]
  })
  return RangeSet.of(ranges)
}
