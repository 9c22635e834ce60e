import fc from 'fast-check'
import { formatAddress } from '../../shared/ipam/address.ts'
import { parseSubnet } from '../../shared/ipam/config.ts'
import { MapLeaseIndex } from '../../shared/ipam/lease-index.ts'
import { PAGE_HEAD_BYTES } from '../../shared/ipam/page.ts'
import { RangeSet } from '../../shared/ipam/range.ts'
import { kubeOvnOrder, type Strategy } from '../../shared/ipam/strategy.ts'
import { SubnetAllocator, type SubnetPorts } from '../../shared/ipam/subnet.ts'
import type { AllocateRequest, DirtyPage, Family, PageStore, SubnetConfig } from '../../shared/ipam/types.ts'
import type { Random } from '../../shared/random.ts'

/** Bytes from a seed, always the same. */
export function seededRandom(seed = 1): Random {
  let state = seed
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return state >>> 24
      }),
  }
}

/** A parsed Subnet, or a failed test. */
export function subnetOf(
  cidrBlock: string,
  more: { gateway?: string; excludeIps?: string[] } = {},
): SubnetConfig {
  const parsed = parseSubnet({ cidrBlock, ...more })
  if (!parsed.ok) throw new Error(parsed.error.detail)
  return parsed.value
}

/** Pages in a map, as a table would keep them. */
export class MapPageStore implements PageStore {
  readonly pages = new Map<string, Uint8Array>()
  readonly loads: string[] = []

  heads() {
    return [...this.pages].map(([key, bytes]) => ({ key, head: bytes.slice(0, PAGE_HEAD_BYTES) }))
  }

  load(key: string) {
    this.loads.push(key)
    return this.pages.get(key)
  }

  write(dirty: Iterable<DirtyPage>): void {
    for (const { key, bytes } of dirty) {
      if (bytes === null) this.pages.delete(key)
      else this.pages.set(key, bytes.slice())
    }
  }
}

export type Build = (config: SubnetConfig, ports: SubnetPorts<string>) => SubnetAllocator<string>
const build: Build = (config, ports) => new SubnetAllocator<string>(config, ports)

/** Configurations a Subnet changes between; the smaller ones strand. */
const CONFIGS = [
  subnetOf('10.1.0.0/28,fd00::/124'),
  subnetOf('10.1.0.0/28,fd00::/124', { excludeIps: ['10.1.0.4..10.1.0.6', 'fd00::9'] }),
  subnetOf('10.1.0.0/29,fd00::/125'),
  subnetOf('10.1.0.0/27,fd00::/124', { gateway: '10.1.0.9,fd00::3' }),
]

export type Op =
  | {
      readonly do: 'allocate'
      readonly nic: number
      readonly request: Omit<AllocateRequest<string>, 'nic' | 'owner'>
    }
  | { readonly do: 'block'; readonly nic: number; readonly count: number; readonly aligned: boolean }
  | { readonly do: 'release'; readonly nic: number; readonly stranger: boolean }
  | { readonly do: 'occupy' | 'vacate'; readonly offset: number }
  | { readonly do: 'configure'; readonly to: number }
  | { readonly do: 'pool'; readonly name: string; readonly from: number; readonly count: number }
  | { readonly do: 'remove-pool'; readonly name: string }
  | { readonly do: 'reload' }
  | { readonly do: 'dry'; readonly ops: readonly Op[] }

const offset = fc.integer({ min: 0, max: 15 })
const nic = fc.integer({ min: 0, max: 9 })
const pool = fc.constantFrom('p', 'q')
const request = fc.record(
  {
    v4: offset.map((n) => `10.1.0.${n}`),
    v6: offset.map((n) => formatAddress(6, (0xfdn << 120n) + BigInt(n))),
    mac: fc.constantFrom('', '02:00:00:00:00:01', '02:00:00:00:00:0A', '02:00:00:00:00:0a', 'junk'),
    pool,
    skip: fc.array(
      offset.map((n) => `10.1.0.${n}`),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: [] },
)
const single: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('allocate' as const), nic, request }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      nic,
      stranger: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('block' as const),
      nic,
      count: fc.integer({ min: 1, max: 5 }),
      aligned: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('occupy' as const, 'vacate' as const), offset }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('configure' as const), to: fc.nat(CONFIGS.length - 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pool' as const),
      name: pool,
      from: offset,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove-pool' as const), name: pool }) },
  { weight: 1, arbitrary: fc.constant<Op>({ do: 'reload' }) },
)
/** Sequences of operations on one Subnet. */
export const operations: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: single },
    {
      weight: 1,
      arbitrary: fc.array(single, { minLength: 1, maxLength: 4 }).map((ops): Op => ({ do: 'dry', ops })),
    },
  ),
  { minLength: 1, maxLength: 40 },
)

/** An invariant of faults.md (b), broken; the message begins with its number. */
export class Broken extends Error {}

function hold(invariant: number, condition: boolean, detail: () => string): void {
  if (!condition) throw new Broken(`invariant ${invariant}: ${detail()}`)
}

/** One Subnet under random operations, with the few facts needed to judge it kept beside. */
export class Run {
  private readonly leases = new MapLeaseIndex<string>()
  private readonly store = new MapPageStore()
  private readonly strategy: Strategy
  private readonly make: Build
  private occupied = new Set<string>()
  private core: SubnetAllocator<string>

  constructor(make: Build = build, strategy: Strategy = kubeOvnOrder) {
    this.make = make
    this.strategy = strategy
    this.core = make(CONFIGS[0]!, { leases: this.leases, random: seededRandom(), strategy })
    this.store.write(this.core.takeDirtyPages())
  }

  /** @throws Broken */
  all(ops: readonly Op[]): void {
    for (const op of ops) {
      this.one(op)
      this.check()
    }
  }

  private one(op: Op): void {
    const { core, leases } = this
    switch (op.do) {
      case 'allocate': {
        const before = this.picture()
        const nicName = `n${op.nic}`
        const held = leases.byNic(nicName)
        const result = core.allocate({ ...op.request, nic: nicName, owner: `ns/o${op.nic}` })
        if (held !== undefined)
          hold(6, !result.ok && leases.byNic(nicName) === held, () => `${nicName} got a second lease`)
        if (!result.ok)
          hold(10, this.picture() === before, () => `refused (${result.error.detail}), yet something changed`)
        else {
          const { v4, v6 } = result.value
          hold(10, v4 !== undefined && v6 !== undefined, () => 'half a lease')
          this.judge(4, v4!, op.request.v4 === undefined)
          this.judge(6, v6!, op.request.v6 === undefined)
        }
        return
      }
      case 'block': {
        const before = this.picture()
        const request = Array.from({ length: op.count }, (_, i) => ({
          nic: `b${op.nic}-${i}`,
          owner: `ns/b${op.nic}`,
        }))
        const result = core.allocateBlock({ leases: request, aligned: op.aligned })
        if (!result.ok) hold(10, this.picture() === before, () => 'a refused block changed something')
        else for (const { v4, v6 } of result.value) this.judgeBoth(v4!, v6!)
        return
      }
      case 'release': {
        const held = leases.byNic(`n${op.nic}`)
        const before = this.picture()
        const stranded = held !== undefined && core.space(4)!.state(held.v4!) === 'outside'
        const free = core.freeRanges(4) + core.releasedRanges(4)
        const result = core.release(`n${op.nic}`, op.stranger ? 'ns/stranger' : `ns/o${op.nic}`)
        if (!result.ok) hold(10, this.picture() === before, () => 'a refused release changed something')
        if (result.ok && stranded)
          hold(
            14,
            core.freeRanges(4) + core.releasedRanges(4) === free,
            () => 'releasing a stranded lease set a bit',
          )
        return
      }
      case 'occupy':
      case 'vacate': {
        const address = 0x0a010000 + op.offset
        if (op.do === 'vacate' && leases.byAddress(4, address).length > 0) return
        if (!core[op.do](4, address)) return
        if (op.do === 'occupy') this.occupied.add(String(address))
        else this.occupied.delete(String(address))
        return
      }
      case 'configure': {
        const before = [...leases.all()].map((lease) => lease.nic).join()
        core.configure(CONFIGS[op.to]!)
        hold(
          14,
          [...leases.all()].map((lease) => lease.nic).join() === before,
          () => 'a Subnet event ended a lease',
        )
        // as the ledger does: rows back in range take their address again, foreign ones that fell out are forgotten
        const inside = (address: number) => core.space(4)!.state(address) !== 'outside'
        this.occupied = new Set([...this.occupied].filter((address) => inside(Number(address))))
        for (const { v4, v6 } of leases.all()) {
          core.occupy(4, v4!)
          core.occupy(6, v6!)
        }
        return
      }
      case 'pool':
        core.setPool(op.name, [`10.1.0.${op.from}..10.1.0.${op.from + op.count - 1}`])
        return
      case 'remove-pool':
        core.removePool(op.name)
        return
      case 'reload':
        this.core = this.reload()
        return
      case 'dry': {
        const before = this.picture()
        const { core: live, occupied } = this
        this.store.write(core.takeDirtyPages())
        this.occupied = new Set(occupied)
        const mark = core.mark()
        for (const each of op.ops) if (each.do !== 'reload') this.one(each)
        core.rollback(mark)
        this.core = live
        this.occupied = occupied
        hold(10, this.picture() === before, () => 'a dry run left something')
        return
      }
    }
  }

  private judgeBoth(v4: number, v6: bigint): void {
    this.judge(4, v4, true)
    this.judge(6, v6, true)
  }

  private judge(family: Family, address: number | bigint, chosen: boolean): void {
    const config = (family === 4 ? this.core.config.v4 : this.core.config.v6)!
    const text = () => formatAddress(family, address)
    hold(9, address !== config.network && address !== config.top, () => `${text()} is network or broadcast`)
    hold(9, address !== config.gateway, () => `${text()} is the gateway`)
    hold(9, address > config.network && address < config.top, () => `${text()} is outside`)
    const excludes = config.excludes as RangeSet<number | bigint>
    hold(9, !(chosen && excludes.has(address)), () => `${text()} is excluded and was chosen`)
  }

  private check(): void {
    const leases = [...this.leases.all()]
    for (const family of [4, 6] as const) {
      const space = this.core.space(family)!
      const { first, last, excludes } = space.config
      const addresses = leases.map((lease) => (family === 4 ? lease.v4! : lease.v6!))
      hold(1, new Set(addresses).size === addresses.length, () => `two leases on one address: ${addresses}`)
      const held = new Set(addresses.filter((address) => address >= first && address <= last).map(String))
      if (family === 4) for (const address of this.occupied) held.add(address)
      const count = this.core.capacity()[`v${family}`]!
      const { usable, free, excluded } = count
      hold(7, usable === BigInt(last) - BigInt(first) + 1n, () => `usable ${usable}`)
      hold(
        7,
        free + excluded + count.held === usable,
        () => `${free} + ${excluded} + ${count.held} is not ${usable}`,
      )
      hold(8, count.held === BigInt(held.size), () => `${count.held} held, ${held.size} rows`)
      const shut = [...excludes.ranges]
        .flatMap(({ from, to }) => list(from, to))
        .filter((a) => !held.has(String(a)))
      hold(8, excluded === BigInt(shut.length), () => `${excluded} excluded, recount ${shut.length}`)
      const using = RangeSet.of([...held].map((a) => ({ from: BigInt(a), to: BigInt(a) })))
      const text = using.format(family, formatAddress)
      hold(
        8,
        this.core.usingRanges(family) === text,
        () => `using ${this.core.usingRanges(family)}, rows ${text}`,
      )
      hold(
        8,
        this.core.availableRanges(family) === this.recountAvailable(family, held),
        () => 'available differs',
      )
    }
    const macs = leases.map((lease) => lease.mac.toLowerCase()).filter((mac) => mac !== '')
    hold(2, new Set(macs).size === macs.length, () => `two leases with one MAC: ${macs}`)
    const fresh = this.reload()
    hold(
      19,
      picture(fresh) === picture(this.core),
      () => `cold load differs:\n${picture(fresh)}\n${picture(this.core)}`,
    )
  }

  private recountAvailable(family: Family, held: ReadonlySet<string>): string {
    const { first, last, excludes } = this.core.space(family)!.config
    const all = list(first, last).filter(
      (a) => !held.has(String(a)) && !(excludes as RangeSet<number | bigint>).has(a),
    )
    return RangeSet.of(all.map((a) => ({ from: BigInt(a), to: BigInt(a) }))).format(family, formatAddress)
  }

  /** A new core over what was written. */
  private reload(): SubnetAllocator<string> {
    this.store.write(this.core.takeDirtyPages())
    const { leases, strategy, store } = this
    try {
      return this.make(this.core.config, { leases, random: seededRandom(7), strategy, pages: store })
    } catch (cause) {
      throw new Broken(`invariant 19: ${cause}`)
    }
  }

  private picture(): string {
    return (
      picture(this.core) +
      [...this.leases.all()].map((lease) => `${lease.nic}=${lease.v4}/${lease.v6}/${lease.mac}`).sort()
    )
  }
}

function list<N extends number | bigint>(from: N, to: N): (number | bigint)[] {
  const out: (number | bigint)[] = []
  for (let a: number | bigint = from; a <= to; typeof a === 'bigint' ? a++ : a++) out.push(a)
  return out
}

/** Everything a core knows, as text. */
export function picture(core: SubnetAllocator<string>): string {
  const lines = ([4, 6] as const).flatMap((family) => [
    core.usingRanges(family),
    core.availableRanges(family),
    ...['', 'p', 'q'].map(
      (name) => `${name}: ${core.freeRanges(family, name)} | ${core.releasedRanges(family, name)}`,
    ),
    [...(core.space(family)?.pools.values() ?? [])].map((each) =>
      each.order === undefined ? '' : [...each.order].join(),
    ),
  ])
  return `${core.config.cidrBlock}\n${lines.join('\n')}\n`
}
