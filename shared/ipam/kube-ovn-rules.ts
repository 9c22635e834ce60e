import { err, ok, type Result } from '../result.ts'
import { formatAddress, parseAddress } from './address.ts'
import type { MapLeaseIndex } from './lease-index.ts'
import { parseMac } from './mac.ts'
import { parseSkip } from './request.ts'
import type { SubnetAllocator } from './subnet.ts'
import type { Family, IpamError, Lease } from './types.ts'

/** What a request got: the families it asked for, and the MAC as Kube-OVN answers it. */
export interface Holding {
  readonly v4?: number
  readonly v6?: bigint
  readonly mac: string
}

interface Asked {
  readonly owner: string
  readonly nic: string
  readonly mac: string | undefined
  readonly family: Family | undefined
  readonly check: boolean
}

/**
 * A NIC's lease while a request is worked on. `moved`: it gave up an address it had. `refusal`: what is refused in the
 * end although Kube-OVN says ok, after all that Kube-OVN refuses was looked for.
 */
interface Draft {
  readonly owner: string
  readonly nic: string
  readonly addresses: Map<Family, number | bigint>
  readonly taken: [Family, number | bigint][]
  mac: string
  moved: boolean
  refusal?: IpamError
}

type Got = Result<{ readonly address: number | bigint; readonly mac: string }, IpamError>

/**
 * What Kube-OVN gives a NIC that asks, also one that asks again [pkg/ipam/subnet.go:230-585]: re-use, move, share,
 * burn. Where a refusal there costs the NIC its lease, here it keeps it (docs/ipam.md).
 */
export class KubeOvnRules {
  private readonly allocator: SubnetAllocator
  private readonly leases: MapLeaseIndex

  constructor(allocator: SubnetAllocator, leases: MapLeaseIndex) {
    this.allocator = allocator
    this.leases = leases
  }

  /** GetRandomAddressWithFamily. */
  random(
    request: Asked & { readonly pool: string; readonly skip: readonly string[] },
  ): Result<Holding, IpamError> {
    const { protocol } = this.allocator.config
    if (request.family !== undefined && protocol === (request.family === 4 ? 'IPv6' : 'IPv4'))
      return err({ kind: 'invalid-family', field: 'family', detail: `the Subnet is ${protocol} only` })
    return this.work(request, (draft) => {
      if (protocol === 'Mac') return this.macOnly(request, draft)
      const families: Family[] = protocol === 'Dual' ? [4, 6] : protocol === 'IPv4' ? [4] : [6]
      const holding: Holding[] = []
      for (const family of families) {
        if (request.family !== undefined && request.family !== family) continue
        const got = this.randomOf(family, request, draft)
        if (!got.ok) return got
        holding.push(named(family, got.value))
      }
      return ok(Object.assign({}, ...holding) as Holding)
    })
  }

  /** GetStaticAddressWithFamily. */
  static(request: Asked & { readonly ip: string }): Result<Holding, IpamError> {
    const { protocol } = this.allocator.config
    if (request.ip === '' && protocol === 'Mac') return this.random({ ...request, pool: '', skip: [] })
    const wishes: (readonly [Family, number | bigint])[] = []
    for (const part of request.ip.split(',')) {
      const address = parseAddress(part, 'ip')
      if (!address.ok) return address
      const { family, value } = address.value
      if (request.family !== undefined && request.family !== family)
        return err({ kind: 'invalid-family', field: 'family', detail: `${part} is of the other family` })
      wishes.push([family, value])
    }
    return this.work(request, (draft) => {
      const holding: Holding[] = []
      for (const [family, address] of wishes) {
        const got = this.staticOf(family, address, request, draft)
        if (!got.ok) return got
        holding.push(named(family, got.value))
      }
      const mac = holding.at(-1)!.mac
      if (protocol === 'Dual' && wishes.length === 1 && request.family === undefined) {
        const other = wishes[0]![0] === 4 ? 6 : 4
        const got = this.randomOf(other, { ...request, mac, pool: '', skip: [] }, draft)
        if (!got.ok) return got
        holding.push(named(other, got.value))
      }
      if (new Set(wishes.map(([family]) => family)).size < wishes.length)
        draft.refusal = {
          kind: 'invalid-ip',
          field: 'ip',
          reason: 'duplicate',
          detail: 'two addresses of one family',
        }
      if (draft.refusal !== undefined) return err(draft.refusal)
      return ok(Object.assign({}, ...holding, { mac }) as Holding)
    })
  }

  /** Runs a request on a draft of the NIC's lease; a refusal leaves the lease, and burns what was newly taken. */
  private work(
    request: Asked,
    body: (draft: Draft) => Result<Holding, IpamError>,
  ): Result<Holding, IpamError> {
    const { owner, nic } = request
    const lease = this.leases.byNic(nic)
    if (lease !== undefined && lease.owner !== owner)
      return err({ kind: 'conflict', field: 'nic', reason: 'nic-held', detail: `${nic} is ${lease.owner}'s` })
    const addresses = new Map<Family, number | bigint>()
    if (lease?.v4 !== undefined) addresses.set(4, lease.v4)
    if (lease?.v6 !== undefined) addresses.set(6, lease.v6)
    const draft: Draft = { owner, nic, addresses, taken: [], mac: lease?.mac ?? '', moved: false }
    const mac = request.mac === undefined || request.mac === '' ? ok(request.mac) : parseMac(request.mac)
    if (!mac.ok) return mac
    const mark = lease === undefined ? undefined : this.allocator.mark()
    const result = body(draft)
    if (result.ok) this.leases.put(toLease(draft))
    const keepLease = mark !== undefined && !result.ok && (draft.moved || 'ip' in request)
    if (keepLease) this.allocator.rollback(mark)
    else if (mark !== undefined) this.allocator.settle(mark)
    if (!result.ok && !keepLease)
      for (const [family, address] of draft.taken) this.allocator.vacate(family, address)
    return result
  }

  private macOnly(request: Asked, draft: Draft): Result<Holding, IpamError> {
    const mac = this.bindMac(request.mac === '' ? undefined : request.mac, request, draft)
    return mac.ok ? ok({ mac: mac.value }) : mac
  }

  private randomOf(
    family: Family,
    request: Asked & { readonly pool: string; readonly skip: readonly string[] },
    draft: Draft,
  ): Got {
    const current = draft.addresses.get(family)
    if (current !== undefined) {
      if (!request.skip.includes(formatAddress(family, current))) {
        if (draft.mac !== '' || request.mac === '') return ok({ address: current, mac: draft.mac })
        const mac = this.bindMac(request.mac, request, draft)
        return mac.ok ? ok({ address: current, mac: mac.value }) : mac
      }
      this.giveUp(family, current, draft)
    }
    const space = this.allocator.space(family)!
    const pool = space.pools.get(request.pool)
    if (pool === undefined || (pool.free.isEmpty && pool.released.isEmpty))
      return err({
        kind: 'no-available',
        reason: 'exhausted',
        family,
        detail: `no free address in pool ${request.pool}`,
      })
    if (pool.free.isEmpty) space.recycle(pool)
    const address = space.pick(pool, parseSkip(request.skip, family))
    if (address === undefined)
      return err({
        kind: 'conflict',
        reason: 'skipped',
        family,
        detail: 'every free address is to be skipped',
      })
    space.takePicked(pool, address)
    const mac = this.bindMac(request.mac, request, draft)
    if (!mac.ok) {
      space.give(address)
      return mac
    }
    draft.addresses.set(family, address)
    draft.taken.push([family, address])
    return ok({ address, mac: mac.value })
  }

  private staticOf(family: Family, address: number | bigint, request: Asked, draft: Draft): Got {
    const space = this.allocator.space(family)
    const outside = this.allocator.refuseStatic(family, address, false)
    if (outside !== undefined || space === undefined) return err(outside!)
    if (request.check && address === space.config.gateway)
      return err({ kind: 'conflict', reason: 'gateway', family, detail: 'it is the gateway' })
    const current = draft.addresses.get(family)
    if (current !== undefined && current !== address) this.giveUp(family, current, draft)
    const mac = this.bindMac(request.mac, request, draft)
    if (!mac.ok) return mac
    if (current === address) return ok({ address, mac: mac.value })
    const holders = this.leases.byAddress(family, address)
    const shared = holders.length > 0
    if (holders.some((lease) => lease.owner === draft.owner)) {
      const detail = `${formatAddress(family, address)} is held by another port of ${draft.owner}`
      draft.refusal = { kind: 'conflict', field: 'ip', reason: 'address-held', family, detail }
      return ok({ address, mac: mac.value })
    }
    if (shared ? request.check : !space.take(address)) {
      const kind = shared ? 'conflict' : 'no-available'
      return err({
        kind,
        reason: 'address-held',
        family,
        detail: `${formatAddress(family, address)} is held`,
      })
    }
    draft.addresses.set(family, address)
    if (!shared) draft.taken.push([family, address])
    return ok({ address, mac: mac.value })
  }

  /** The NIC leaves an address. The MAC goes with its last one, except from an address that others share. */
  private giveUp(family: Family, address: number | bigint, draft: Draft): void {
    draft.moved = true
    draft.addresses.delete(family)
    if (this.leases.byAddress(family, address).some((lease) => lease.nic !== draft.nic)) return
    this.allocator.vacate(family, address)
    if (draft.addresses.size === 0) draft.mac = ''
  }

  /** The answer's MAC, and the NIC's from now on: kept or drawn, none, or the given one if it is nobody else's. */
  private bindMac(
    wish: string | undefined,
    { owner, check }: Asked,
    draft: Draft,
  ): Result<string, IpamError> {
    if (wish === '') return ok('')
    if (wish === undefined) {
      if (draft.mac !== '') return ok(draft.mac)
      const drawn = this.allocator.drawMac()
      if (drawn.ok) draft.mac = drawn.value
      return drawn
    }
    const mac = parseMac(wish)
    if (!mac.ok) return mac
    const holder = this.leases.byMac(mac.value).at(-1)
    if (check && holder !== undefined && holder.owner !== owner)
      return err({
        kind: 'conflict',
        field: 'mac',
        reason: 'mac-held',
        detail: `${mac.value} is ${holder.owner}'s`,
      })
    if (check && mac.value === this.allocator.gatewayMac)
      return err({
        kind: 'conflict',
        field: 'mac',
        reason: 'gateway-mac',
        detail: `${mac.value} is the gateway's`,
      })
    draft.mac = mac.value
    return mac
  }
}

function named(family: Family, { address, mac }: { address: number | bigint; mac: string }): Holding {
  return family === 4 ? { v4: address as number, mac } : { v6: address as bigint, mac }
}

function toLease({ owner, nic, addresses, mac }: Draft): Lease {
  const v4 = addresses.get(4) as number | undefined
  const v6 = addresses.get(6) as bigint | undefined
  return { nic, owner, mac, ...(v4 === undefined ? {} : { v4 }), ...(v6 === undefined ? {} : { v6 }) }
}
