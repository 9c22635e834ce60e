import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { TraceOp } from '../../infra/dev/trace.ts'
import { formatAddress } from '../../shared/ipam/address.ts'
import type { Family } from '../../shared/ipam/types.ts'
import type { Result } from '../../shared/result.ts'
import { Ipam } from '../support/controller/ipam.ts'
import type { IpamRefusal } from '../support/controller/ipam-subnet.ts'
import { seededRandom } from '../support/random.ts'

const folder = new URL('../data/traces/', import.meta.url).pathname
const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl.gz'))

/** Defects the model leaves out: input that never reaches its IPAM. Queries that nobody makes are not compared either. */
const LEFT_OUT = new Set([
  'v4-mapped',
  'counter-drift',
  'reversed-dual-cidr',
  'three-cidrs',
  'low-v6-becomes-v4',
  'family-drop-keeps-state',
  'wrong-family-slot',
  'pool-outside-cidr',
  'pool-range-extra-part',
  'pool-junk-by-family',
  'default-pool-deleted',
])

const ERRORS: Readonly<Record<IpamRefusal, string>> = {
  NoSubnet: 'no-subnet',
  AddressOutOfRange: 'out-of-range',
  AddressConflict: 'conflict',
  NoAvailableAddress: 'no-available',
  CIDRInvalid: 'invalid-cidr',
  InvalidIPFamily: 'invalid-family',
  InvalidIP: 'invalid-ip',
  DualGateway: 'dual-gateway',
  PoolOverlap: 'pool-overlap',
}

describe('the model’s IPAM answers as Kube-OVN v1.17.0 did, defects included', () => {
  it.each(files)('%s', (file) => {
    const report = new TraceRun(file).play()
    expect(report.first).toBeUndefined()
    expect(report.compared / report.ops).toBeGreaterThan(0.4)
  })
})

class TraceRun {
  private readonly lines: string[]
  private readonly ipam = new Ipam(seededRandom(3))
  private readonly macOf = new Map<string, string>()
  private readonly labelOf = new Map<string, string>()
  /** Subnets in which a defect that is left out has shown, until they are deleted. */
  private readonly aside = new Set<string>()
  private compared = 0

  constructor(file: string) {
    this.lines = gunzipSync(readFileSync(folder + file))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
  }

  play(): { readonly ops: number; readonly compared: number; readonly first?: string } {
    const ops = this.lines.length - 1
    const header = JSON.parse(this.lines[0]!) as {
      subnets: { name: string; cidr: string; gateway: string; exclude: string[] }[]
    }
    for (const { name, cidr, gateway, exclude } of header.subnets)
      this.ipam.setSubnet(name, cidr, gateway, exclude)
    for (const [index, line] of this.lines.slice(1).entries()) {
      const wrong = this.step(JSON.parse(line) as TraceOp)
      if (wrong !== undefined) return { ops, compared: this.compared, first: `line ${index + 2}: ${wrong}` }
    }
    return { ops, compared: this.compared }
  }

  private step(op: TraceOp): string | undefined {
    // What follows such a defect is that defect's: panics among it.
    if (this.aside.has(op.subnet ?? '') && op.op !== 'subnet-delete') return undefined
    const got = this.perform(op)
    if (op.defect?.split(',').some((name) => LEFT_OUT.has(name)))
      for (const name of op.subnet ? [op.subnet] : this.ipam.names) this.aside.add(name)
    const trusted = !this.aside.has(op.subnet ?? '')
    if (op.op === 'subnet-delete') this.aside.delete(op.subnet ?? '')
    if (got === undefined || !trusted) return undefined
    this.compared++
    const { state: _, ...shown } = op
    if (!this.same(op.want, got)) return `${JSON.stringify(got)} for ${JSON.stringify(shown)}`
    for (const [name, want] of Object.entries(op.state ?? {})) {
      if (this.aside.has(name)) continue
      const state = this.stateOf(name, want as Record<string, Record<string, string>>)
      if (state !== undefined) return `${name}: ${state} after ${JSON.stringify(shown)}`
    }
    return undefined
  }

  /** Undefined: a query the model does not have. */
  private perform(op: TraceOp): unknown {
    const { subnet = '', owner: pod = '', nic = '', pool = '', skip = [], check = true } = op
    const family = op.family === undefined ? {} : { family: op.family }
    const request = { subnet, pod, nic, mac: this.macGiven(op.mac), check, ...family }
    switch (op.op) {
      case 'random':
        return answer(this.ipam.allocateRandom({ ...request, pool, skip }))
      case 'static':
        return answer(this.ipam.allocateStatic({ ...request, ip: op.ip ?? '' }))
      case 'subnet':
        return done(this.ipam.setSubnet(subnet, op.cidr ?? '', op.gateway ?? '', op.exclude ?? []))
      case 'subnet-delete':
        this.ipam.deleteSubnet(subnet)
        return { ok: {} }
      case 'release-owner':
        for (const name of this.named(subnet)) this.ipam.releasePod(pod, name)
        return { ok: {} }
      case 'release-nic':
        for (const name of this.named(subnet)) this.ipam.releaseNic(pod, nic, name)
        return { ok: {} }
      case 'pool': {
        const set = done(this.ipam.setPool(subnet, pool, op.ips ?? []))
        const known = ['invalid-range', 'invalid-cidr-text', 'unknown-subnet']
        return known.includes(op.want.err ?? '') && 'err' in (set as object) ? op.want : set
      }
      case 'pool-delete':
        this.ipam.removePool(subnet, pool)
        return { ok: {} }
      case 'gateway-mac': {
        const it = this.ipam.subnet(subnet)
        if (it !== undefined) it.gatewayMac = this.macGiven(op.mac) ?? ''
        return it === undefined ? { err: 'unknown-subnet' } : { ok: {} }
      }
      default:
        return undefined
    }
  }

  private named(subnet: string): readonly string[] {
    return subnet === '' ? this.ipam.names : [subnet]
  }

  private macGiven(mac: string | null | undefined): string | undefined {
    if (mac === null || mac === undefined) return undefined
    return mac.startsWith('*') ? (this.macOf.get(mac) ?? mac) : mac
  }

  private same(want: unknown, got: unknown): boolean {
    if (typeof want === 'string' && want.startsWith('*') && typeof got === 'string')
      return this.sameMac(want, got)
    if (typeof want !== 'object' || want === null) return want === got
    const [a, b] = [want as Record<string, unknown>, got as Record<string, unknown>]
    const keys = Object.keys(a)
    return keys.length === Object.keys(b ?? {}).length && keys.every((key) => this.same(a[key], b[key]))
  }

  private sameMac(label: string, mac: string): boolean {
    if (label === '*') return mac !== ''
    const [known, other] = [this.macOf.get(label), this.labelOf.get(mac)]
    if (known === undefined && other === undefined && mac !== '') {
      this.macOf.set(label, mac)
      this.labelOf.set(mac, label)
      return true
    }
    return known === mac
  }

  /** What differs of a Subnet's counts and ranges, or undefined. */
  private stateOf(name: string, want: Record<string, Record<string, unknown>>): string | undefined {
    for (const family of [4, 6] as const) {
      const counts = want[`v${family}`] as Record<string, string> | undefined
      if (counts === undefined) continue
      const plane = this.ipam.subnet(name)?.planes[family]
      const pool = plane?.pools.get('')
      const text = (set: { format: (family: Family, format: typeof formatAddress) => string } | undefined) =>
        set?.format(family, formatAddress)
      const all: Record<string, string | undefined> = {
        using: plane?.using.size.toString(),
        available: plane?.available.size.toString(),
        usingRanges: text(plane?.using),
        availableRanges: text(plane?.available),
        freeRanges: text(pool?.free),
        releasedRanges: text(pool?.released),
      }
      for (const [key, value] of Object.entries(counts))
        if (all[key] !== value) return `v${family} ${key} is ${all[key]}, not ${value}`
    }
    return undefined
  }
}

function answer(result: Result<object, IpamRefusal>): unknown {
  return result.ok ? { ok: { ...result.value } } : { err: ERRORS[result.error] }
}

function done(result: Result<void, IpamRefusal>): unknown {
  return result.ok ? { ok: {} } : { err: ERRORS[result.error] }
}
