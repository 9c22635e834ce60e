import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parseSubnet } from '../../shared/ipam/config.ts'
import { MapLeaseIndex } from '../../shared/ipam/lease-index.ts'
import { SubnetAllocator } from '../../shared/ipam/subnet.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Measurement, microseconds, type Suite } from '../suite.ts'
import { NaiveSubnet } from './naive.ts'

const BASE = 0x0a100000
const USABLE = 65_533

/** A generator of its own, so that runs repeat. */
function lcg(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function core(cidrBlock: string) {
  const parsed = parseSubnet({ cidrBlock })
  if (!parsed.ok) throw new Error(parsed.error.detail)
  return new SubnetAllocator(parsed.value, { leases: new MapLeaseIndex(), random: systemRandom })
}

const owners = Array.from({ length: 1_000_000 }, (_, i) => `ns-${i & 7}/pod-${i}`)
const nics = owners.map((_, i) => `pod-${i}.ns-${i & 7}`)

function fill(subnet: SubnetAllocator, count: number): void {
  for (let i = 0; i < count; i++) {
    const result = subnet.allocate({ owner: owners[i]!, nic: nics[i]! })
    if (!result.ok) throw new Error(result.error.detail)
  }
}

/** A /16 with this share of its addresses held, the holes at random. @returns the NICs that hold */
function filled(share: number): { readonly subnet: SubnetAllocator; readonly held: number[] } {
  const subnet = core('10.16.0.0/16')
  fill(subnet, USABLE)
  const random = lcg(7)
  const held = Array.from({ length: USABLE }, (_, i) => i)
  while (held.length > USABLE * share) {
    const at = random(held.length)
    const i = held[at]!
    held[at] = held.at(-1)!
    held.pop()
    subnet.release(nics[i]!, owners[i]!)
  }
  return { subnet, held }
}

function naiveFilled(share: number): NaiveSubnet {
  const naive = new NaiveSubnet(BASE + 2, USABLE)
  for (let i = 0; i < USABLE; i++) naive.allocate(nics[i]!, owners[i]!)
  const random = lcg(7)
  for (let left = USABLE; left > USABLE * share; ) if (naive.release(nics[random(USABLE)]!)) left--
  return naive
}

function* churn(): Iterable<Measurement> {
  const { subnet, held } = filled(0.9)
  const random = lcg(1)
  const value = microseconds(50_000, 5, () => {
    const i = held[random(held.length)]!
    subnet.release(nics[i]!, owners[i]!)
    subnet.allocate({ owner: owners[i]!, nic: nics[i]! })
  })
  const naive = naiveFilled(0.9)
  const slow = microseconds(1_000, 3, () => {
    const nic = nics[random(USABLE)]!
    if (naive.release(nic)) naive.allocate(nic, nic)
  })
  yield { name: 'free one, allocate one; /16 90 % full at random', value, unit: 'µs', aim: 3, naive: slow }
}

function* churnStatic(): Iterable<Measurement> {
  const { subnet, held } = filled(0.9)
  const random = lcg(2)
  let spare = Number(subnet.leases.byNic(nics[held[0]!]!)!.v4)
  subnet.release(nics[held[0]!]!, owners[held[0]!]!)
  held.shift()
  const value = microseconds(50_000, 5, () => {
    const i = held[random(held.length)]!
    const freed = subnet.release(nics[i]!, owners[i]!)
    subnet.allocate({ owner: owners[i]!, nic: nics[i]!, v4: spare })
    if (freed.ok) spare = freed.value.v4!
  })
  yield { name: 'the same with a static one', value, unit: 'µs', aim: 3 }
}

function* fillOnce(): Iterable<Measurement> {
  const value = microseconds(1, 5, () => fill(core('10.16.0.0/16'), USABLE)) / USABLE
  const slow =
    microseconds(1, 1, () => {
      const naive = new NaiveSubnet(BASE + 2, USABLE)
      for (let i = 0; i < USABLE / 8; i++) naive.allocate(nics[i]!, owners[i]!)
    }) /
    (USABLE / 8)
  yield { name: 'fill a /16, each', value, unit: 'µs', aim: 1.5, naive: slow }
}

function* exhausted(): Iterable<Measurement> {
  const { subnet } = filled(1)
  const value = microseconds(200_000, 5, () => void subnet.allocate({ owner: 'ns/x', nic: 'x' }))
  const naive = naiveFilled(1)
  const slow = microseconds(500, 3, () => void naive.allocate('x', 'x'))
  yield { name: 'exhausted', value, unit: 'µs', aim: 0.1, naive: slow }
}

function* load(): Iterable<Measurement> {
  const random = lcg(3)
  const order = Array.from({ length: USABLE }, (_, i) => BASE + 2 + i)
  for (let i = order.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  const macs = order.map((_, i) => `02:00:00:${hex(i >> 16)}:${hex(i >> 8)}:${hex(i)}`)
  const value = microseconds(1, 5, () => {
    const subnet = core('10.16.0.0/16')
    for (let i = 0; i < 58_000; i++)
      subnet.allocate({ owner: owners[i]!, nic: nics[i]!, v4: order[i]!, mac: macs[i]! })
  })
  yield { name: 'load 58,000 in random order', value: value / 1000, unit: 'ms', aim: 40 }
}

const hex = (byte: number): string => (byte & 255).toString(16).padStart(2, '0')

function* million(): Iterable<Measurement> {
  const value = microseconds(1, 3, () => fill(core('10.0.0.0/8'), 1_000_000))
  yield { name: 'a million in a /8', value: value / 1000, unit: 'ms', aim: 2000 }
}

function* memory(): Iterable<Measurement> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const used = (): number => {
    for (let i = 0; i < 3; i++) gc()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  for (const [name, cidr, aim] of [
    ['bytes a lease, map index, /16 full', '10.16.0.0/16', 250],
    ['bytes a lease, map index, /64', 'fd00::/64', undefined],
  ] as const) {
    // five Subnets at once: what the heap does on its own is then small beside the leases
    const subnets: SubnetAllocator[] = []
    const before = used()
    for (let i = 0; i < 5; i++) {
      const subnet = core(cidr)
      fill(subnet, USABLE)
      subnets.push(subnet)
    }
    const value = (used() - before) / USABLE / subnets.length
    yield { name, value, unit: 'bytes', ...(aim === undefined ? {} : { aim }) }
  }
}

function* fullness(): Iterable<Measurement> {
  const empty = core('10.16.0.0/16')
  const { subnet: full } = filled(0.999)
  const random = lcg(9)
  // one hole of 16, so that a block is there to be found
  for (let n = 0; n < 16; n++) {
    const [lease] = full.leases.byAddress(4, BASE + 0xf000 + n)
    if (lease !== undefined) full.release(lease.nic, lease.owner)
  }
  const allocate = (subnet: SubnetAllocator) => () => {
    subnet.allocate({ owner: 'ns/x', nic: 'x', mac: '' })
    subnet.release('x', 'ns/x')
  }
  const suggest = (subnet: SubnetAllocator) => () => void subnet.suggest(1)
  const block = (subnet: SubnetAllocator) => () => void subnet.suggest(16, { contiguous: true })
  const leases = Array.from({ length: 16 }, (_, i) => ({ owner: 'ns/b', nic: `b${i}`, mac: '' }))
  const take = (subnet: SubnetAllocator) => () => {
    const got = subnet.allocateBlock({ leases })
    if (!got.ok) throw new Error(got.error.detail)
    for (const { nic } of leases) subnet.release(nic, 'ns/b')
  }
  for (const [name, body, calls] of [
    ['allocate and free', allocate, 20_000],
    ['suggest', suggest, 20_000],
    ['contiguous(16), suggested', block, 8_000],
    ['contiguous(16), allocated and freed', take, 1_500],
  ] as const) {
    const pairs: [number, number][] = []
    for (let round = 0; round < 12; round++) {
      const [first, second] = random(2) === 0 ? [full, empty] : [empty, full]
      const a = microseconds(calls, 2, body(first))
      const b = microseconds(calls, 2, body(second))
      pairs.push(first === full ? [a, b] : [b, a])
    }
    const [atFull, atEmpty] = [Math.min(...pairs.map((p) => p[0])), Math.min(...pairs.map((p) => p[1]))]
    yield { name: `${name}, 99.9 % full`, value: atFull, unit: 'µs' }
    yield { name: `${name}, 99.9 % full / empty`, value: atFull / atEmpty, unit: 'ratio', aim: 1.2 }
  }
}

/** The IPAM core against the figures of docs/performance.md. */
export const ipam: Suite = {
  name: 'ipam',
  *run() {
    for (const part of [churn, churnStatic, fillOnce, exhausted, load, million, memory, fullness])
      yield* part()
  },
}
