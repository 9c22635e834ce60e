import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Ipam } from '../../shared/ipam/kube-ovn.ts'
import type { Random } from '../../shared/random.ts'
import type { Result } from '../../shared/result.ts'

/** One line of a trace after its header (test/data/traces/README.md). */
export interface TraceOp {
  readonly op: string
  readonly subnet?: string
  readonly owner?: string
  readonly nic?: string
  readonly mac?: string | null
  readonly ip?: string
  readonly ips?: readonly string[]
  readonly pool?: string
  readonly family?: string
  readonly skip?: readonly string[]
  readonly check?: boolean
  readonly cidr?: string
  readonly gateway?: string
  readonly exclude?: readonly string[]
  readonly want: { readonly ok?: Readonly<Record<string, unknown>>; readonly err?: string }
  readonly state?: Readonly<Record<string, SubnetState>>
  readonly defect?: string
  readonly tainted?: boolean
}

type FamilyState = Readonly<Record<string, string>>
type SubnetState = {
  readonly v4?: FamilyState
  readonly v6?: FamilyState
  readonly pools?: Readonly<Record<string, { readonly v4?: FamilyState; readonly v6?: FamilyState }>>
}

interface TraceHeader {
  readonly format: string
  readonly version: number
  readonly subnets: readonly { name: string; cidr: string; gateway: string; exclude: readonly string[] }[]
}

/** How a replay went. `line` counts from 1, the header's. */
export interface ReplayReport {
  readonly ops: number
  readonly compared: number
  readonly states: number
  readonly differences: number
  readonly first?: {
    readonly line: number
    readonly op: TraceOp
    readonly what: string
    readonly want: string
    readonly got: string
  }
}

/** Defects in which only the one answer is wrong: the op's own outcome is not compared, its state is. */
const ANSWER_ONLY = new Set([
  'nil-address-listed',
  'duplicate-address-listed',
  'echo-noncanonical',
  'v4-mask-panic',
])

/** Replays one file (.jsonl or .jsonl.gz). @throws if it is no trace of version 1 */
export function replayFile(path: string): ReplayReport {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  return new Replay(text.split('\n').filter((line) => line !== '')).run()
}

/** Runs a trace's ops against `Ipam` and compares every outcome and every state. */
export class Replay {
  private readonly lines: readonly string[]
  private readonly ipam = new Ipam(countingRandom())
  private readonly macOf = new Map<string, string>()
  private readonly labelOf = new Map<string, string>()
  /** Subnets in which Kube-OVN's defects have made its state differ from ours, until they are deleted. */
  private readonly diverged = new Set<string>()
  private compared = 0
  private states = 0
  private differences = 0
  private first: ReplayReport['first']

  constructor(lines: readonly string[]) {
    this.lines = lines
  }

  run(): ReplayReport {
    const header = JSON.parse(this.lines[0] ?? '{}') as TraceHeader
    if (header.format !== 'ipam-trace' || header.version !== 1)
      throw new Error('not an ipam-trace of version 1')
    for (const { name, cidr, gateway, exclude } of header.subnets) {
      const created = this.ipam.setSubnet(name, cidr, gateway, exclude)
      if (!created.ok) throw new Error(`header: subnet ${name}: ${created.error.detail}`)
    }
    for (let i = 1; i < this.lines.length; i++) this.step(i + 1, JSON.parse(this.lines[i]!) as TraceOp)
    const { compared, states, differences, first } = this
    return {
      ops: this.lines.length - 1,
      compared,
      states,
      differences,
      ...(first === undefined ? {} : { first }),
    }
  }

  private step(line: number, op: TraceOp): void {
    const got = this.perform(op)
    const flagged = op.defect !== undefined || op.tainted === true
    const whole = op.defect?.split(',').every((name) => ANSWER_ONLY.has(name)) ?? true
    const names = op.subnet === '' || op.subnet === undefined ? this.ipam.names : [op.subnet]
    if (flagged && (!whole || op.tainted === true) && op.subnet !== undefined)
      for (const name of names) this.diverged.add(name)
    const clean = !flagged && !(op.subnet !== undefined && op.subnet !== '' && this.diverged.has(op.subnet))
    const crossing = op.subnet === undefined && this.diverged.size > 0
    if (clean && !crossing) {
      this.compared++
      if (!this.sameOutcome(op, got)) this.differ(line, op, 'outcome', op.want, got)
    } else this.learn(op, got)
    if (op.op === 'subnet-delete') this.diverged.delete(op.subnet ?? '')
    for (const [name, state] of Object.entries(op.state ?? {})) {
      if (this.diverged.has(name)) continue
      this.states++
      const ours = this.stateOf(name, state)
      if (JSON.stringify(ours) !== JSON.stringify(state))
        this.differ(line, op, `state of ${name}`, state, ours)
    }
  }

  private differ(line: number, op: TraceOp, what: string, want: unknown, got: unknown): void {
    this.differences++
    const { state: _, ...rest } = op
    this.first ??= { line, op: rest, what, want: JSON.stringify(want), got: JSON.stringify(got) }
  }

  private perform(op: TraceOp): unknown {
    const { ipam } = this
    const {
      subnet = '',
      owner = '',
      nic = '',
      ip = '',
      pool = '',
      skip = [],
      check = true,
      exclude = [],
    } = op
    const request = {
      subnet,
      owner,
      nic,
      mac: this.givenMac(op.mac),
      check,
      ...(op.family === undefined ? {} : { family: op.family }),
    }
    switch (op.op) {
      case 'random':
        return outcome(ipam.allocateRandom({ ...request, pool, skip }))
      case 'static':
        return outcome(ipam.allocateStatic({ ...request, ip }))
      case 'subnet':
        return done(ipam.setSubnet(subnet, op.cidr ?? '', op.gateway ?? '', exclude))
      case 'subnet-delete':
        ipam.deleteSubnet(subnet)
        return { ok: {} }
      case 'release-owner':
        ipam.releaseOwner(owner, subnet)
        return { ok: {} }
      case 'release-nic':
        ipam.releaseNic(owner, nic, subnet)
        return { ok: {} }
      case 'pool':
        return done(ipam.setPool(subnet, pool, op.ips ?? []))
      case 'pool-delete':
        ipam.removePool(subnet, pool)
        return { ok: {} }
      case 'gateway-mac':
        return done(ipam.setGatewayMac(subnet, this.givenMac(op.mac) ?? ''))
      case 'owner-addresses':
        return { ok: { addresses: ipam.ownerAddresses(owner) } }
      case 'contains':
        return { ok: { found: ipam.contains(ip) } }
      case 'assigned-other':
        return { ok: ipam.assignedToOther(subnet, ip, owner) }
      case 'range-strings':
        return { ok: ipam.rangeStrings(subnet, exclude) }
      case 'v4-mask': {
        const mask = ipam.v4Mask(subnet)
        return mask.ok ? { ok: { mask: mask.value } } : { err: mask.error.kind }
      }
      default:
        throw new Error(`unknown op ${op.op}`)
    }
  }

  private givenMac(mac: string | null | undefined): string | undefined {
    if (mac === null || mac === undefined) return undefined
    if (!mac.startsWith('*')) return mac
    return this.macOf.get(mac) ?? strangerMac(mac)
  }

  /** Compares key by key in any order; a label stands for one MAC, and a MAC for one label. `*` is any MAC. */
  private sameOutcome(op: TraceOp, got: unknown): boolean {
    return this.same(op.want, got, op.op === 'v4-mask')
  }

  private same(want: unknown, got: unknown, loose: boolean): boolean {
    if (typeof want === 'string' && want.startsWith('*') && typeof got === 'string')
      return this.sameMac(want, got)
    if (Array.isArray(want) && Array.isArray(got))
      return want.length === got.length && want.every((item, i) => this.same(item, got[i], loose))
    if (typeof want === 'object' && want !== null && typeof got === 'object' && got !== null) {
      const [a, b] = [Object.entries(want), Object.entries(got)]
      if (a.length !== b.length) return false
      return a.every(([key, value], i) =>
        key in got
          ? this.same(value, (got as Record<string, unknown>)[key], loose)
          : loose && this.same(value, b[i]![1], loose),
      )
    }
    return loose ? String(want) === String(got) : want === got
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

  /** From an outcome that is not compared, only new labels are learnt. */
  private learn(op: TraceOp, got: unknown): void {
    const label = op.want.ok?.mac
    const mac = (got as { ok?: { mac?: string } }).ok?.mac
    if (typeof label === 'string' && label.startsWith('*') && typeof mac === 'string' && mac !== '')
      this.sameMac(label, mac)
  }

  /** Our state in the shape and with the keys of the wanted one. */
  private stateOf(name: string, want: SubnetState): unknown {
    const allocator = this.ipam.subnet(name)
    if (allocator === undefined) return undefined
    const state: Record<string, unknown> = {}
    const read = (family: 4 | 6, pool: string, keys: readonly string[]) => {
      const capacity = allocator.capacity()[`v${family}`]
      const counts = pool === '' ? capacity : capacity?.pools.get(pool)
      const answers: Record<string, () => string> = {
        using: () => String(counts?.held),
        available: () => String(counts?.free),
        usingRanges: () => allocator.usingRanges(family, pool),
        availableRanges: () => allocator.availableRanges(family, pool),
        freeRanges: () => allocator.freeRanges(family, pool),
        releasedRanges: () => allocator.releasedRanges(family, pool),
      }
      return Object.fromEntries(keys.map((key) => [key, answers[key]?.()]))
    }
    const { v4, v6 } = allocator.config
    const pools = [...allocator.pools.keys()].sort()
    if (v4 !== undefined) state.v4 = read(4, '', Object.keys(want.v4 ?? { using: '' }))
    if (v6 !== undefined) state.v6 = read(6, '', Object.keys(want.v6 ?? { using: '' }))
    if (pools.length > 0) {
      state.pools = Object.fromEntries(
        pools.map((pool) => {
          const keys = want.pools?.[pool]
          return [
            pool,
            {
              ...(v4 === undefined ? {} : { v4: read(4, pool, Object.keys(keys?.v4 ?? { using: '' })) }),
              ...(v6 === undefined ? {} : { v6: read(6, pool, Object.keys(keys?.v6 ?? { using: '' })) }),
            },
          ]
        }),
      )
    }
    return state
  }
}

function outcome(result: Result<object, { kind: string }>): unknown {
  return result.ok ? { ok: { ...result.value } } : { err: result.error.kind }
}

function done(result: Result<unknown, { kind: string }>): unknown {
  return result.ok ? { ok: {} } : { err: result.error.kind }
}

/** A source of bytes of which no six are like another six: no MAC repeats in a replay, and each replay draws the same. */
function countingRandom(): Random {
  let n = 0
  return {
    bytes: (length) => {
      const bytes = new Uint8Array(length)
      for (let i = 0; i + 6 <= length; i += 6) {
        n++
        bytes.set([0x0a, 0, n >>> 24, n >>> 16, n >>> 8, n], i)
      }
      return bytes
    },
  }
}

/** A MAC for a label that our replay never handed out (its op was one we refuse). */
function strangerMac(label: string): string {
  const n = Number(label.slice(1))
  const hex = (byte: number) => (byte & 255).toString(16).padStart(2, '0')
  return `06:ff:${hex(n >>> 24)}:${hex(n >>> 16)}:${hex(n >>> 8)}:${hex(n)}`
}
