import { ANNOTATION_OP, PORT_PREFIX } from '../../shared/kube-ovn/names.ts'
import { configOf } from '../../shared/ledger/facts.ts'
import { type LeaseRow, type LeaseState, LeaseTable } from '../../shared/ledger/lease.ts'
import type { SubnetRecord } from '../../shared/ledger/space.ts'
import type { Call, World } from './world.ts'

/** What it watches: a world, or anything that keeps ledgers and calls as one does. */
export interface Watched extends Pick<World, 'subnets' | 'sql' | 'settings'> {
  readonly clock: Pick<World['clock'], 'passedMs'>
  readonly calls: readonly Call[]
  flushed: World['flushed']
}

/** Transitions of faults.md (a) as two flushed states may show them; FREE is `undefined`. */
const TRANSITIONS: Readonly<Record<LeaseState | 'free', readonly (LeaseState | 'free')[]>> = {
  free: ['held', 'foreign'],
  // A returning owner that was refused goes back to its cool-down.
  // An object that is there is made ours though the Subnet has shrunk meanwhile: it is a promise outside of it.
  held: ['bound', 'stranded', 'releasing', 'quarantined', 'free'],
  bound: ['stranded', 'releasing'],
  stranded: ['bound', 'releasing'],
  releasing: ['quarantined', 'free'],
  quarantined: ['held', 'free'],
  foreign: ['releasing', 'quarantined', 'bound', 'stranded', 'free'],
}

interface Seen {
  readonly row: LeaseRow
  /** Calls made, and time passed, when the row came into its state. */
  readonly calls: number
  readonly sinceMs: number
  /** It was somebody else's object; released by force, it is as that one wrote it. */
  readonly wasForeign: boolean
}

/**
 * Watches every flushed state of a world: invariants 4 (BOUND ends only by a release), 6 and 13 (one live row a name),
 * 10 (both families or no row), 11 (no early FREE) and 15 (no blind delete). What is wrong is collected, with the state.
 */
export class Steps {
  readonly violations: string[] = []
  /** How often each transition was seen. */
  readonly reached = new Map<string, number>()
  private readonly world: Watched
  private readonly seen = new Map<string, ReadonlyMap<string, Seen>>()
  private readonly kept = new Map<string, ReadonlyMap<string, Seen>>()

  constructor(world: Watched) {
    this.world = world
    // What is there already came about unwatched.
    for (const subnet of world.subnets()) this.look(subnet)
    this.violations.length = 0
    world.flushed = (subnet) => this.look(subnet)
  }

  /** What was looked at last in this ledger is flushed: a kill takes it back to there. */
  keep(subnet: string): void {
    this.kept.set(subnet, this.seen.get(subnet) ?? new Map())
  }

  /** A kill took this ledger back to what was kept. */
  lose(subnet: string): void {
    this.seen.set(subnet, this.kept.get(subnet) ?? new Map())
  }

  private look(subnet: string): void {
    const sql = this.world.sql(subnet)
    if (!sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'state'`)) return
    const sinceMs = this.world.clock.passedMs
    const before: ReadonlyMap<string, Seen> = this.seen.get(subnet) ?? new Map<string, Seen>()
    const after = new Map<string, Seen>()
    for (const row of new LeaseTable(sql, () => {}).all()) {
      const key = `${row.nic} ${row.id}`
      const known = before.get(key)
      const same = known?.row.state === row.state
      const wasForeign = row.state === 'foreign' || (known?.wasForeign === true && row.state === 'releasing')
      const calls = this.world.calls.length
      after.set(key, same ? { ...known, row } : { row, calls, sinceMs, wasForeign })
      if (!same) this.stepped(subnet, known, row.state, row)
    }
    for (const [key, known] of before) if (!after.has(key)) this.stepped(subnet, known, 'free', known.row)
    this.seen.set(subnet, after)
    this.oneLiveRow([...after.values()].map(({ row }) => row))
    const ours = [...after.values()].filter(({ wasForeign }) => !wasForeign)
    this.bothFamilies(
      subnet,
      ours.map(({ row }) => row),
    )
  }

  private stepped(subnet: string, known: Seen | undefined, to: LeaseState | 'free', row: LeaseRow): void {
    const from = known?.row.state ?? 'free'
    const promised = from === 'bound' || from === 'stranded'
    // An address that a port was seen with is nobody's row, and begins with its rest (ledger/vacancy.ts).
    const isPorts = row.nic.startsWith(PORT_PREFIX) && from === 'free' && to === 'quarantined'
    if (!TRANSITIONS[from].includes(to) && !isPorts) {
      this.violated(`${promised ? '4, 14: ' : ''}${row.nic} went from ${from} to ${to}`)
    }
    this.reached.set(`${from} to ${to}`, (this.reached.get(`${from} to ${to}`) ?? 0) + 1)
    if (promised && to === 'releasing' && this.kindOf(subnet, row.op) !== 'release') {
      this.violated(`4: ${row.nic} is ${to} and no release was asked for`)
    }
    if (!known) return
    if (from === 'releasing') this.provenGone(known)
    if (from === 'held' && to === 'free' && row.originEpoch > 1 && this.contains(subnet, row)) {
      this.violated(`11: ${row.nic} came out of its cool-down and is free`)
    }
    if (from === 'quarantined' && to === 'free' && !this.isForeign(subnet, row)) {
      // By the time that passed: the ledger's own clock is what is being judged.
      const spentMs = this.world.clock.passedMs - known.sinceMs
      if (spentMs < this.world.settings.quarantineMs) this.violated(`11: ${row.nic} cooled for ${spentMs} ms`)
    }
  }

  /** Somebody else's object has an address of the row by now. */
  private isForeign(subnet: string, { v4, v6 }: LeaseRow): boolean {
    const rows = [...new LeaseTable(this.world.sql(subnet), () => {}).all()]
    return rows.some(
      (row) => row.state === 'foreign' && ((v4 !== null && row.v4 === v4) || (v6 !== null && row.v6 === v6)),
    )
  }

  /** A GET sent since the row is RELEASING found nothing of ours, and no POST of ours may still land. */
  private provenGone({ row, calls }: Seen): void {
    const about = this.world.calls.filter(({ request }) => nameOf(request) === row.nic)
    const doubt = about.filter((call) => isOurPost(call, row) && mayLand(call)).at(-1)
    const earliestMs = doubt ? doubt.sentMs + this.world.settings.stragglerMs : 0
    const proof = this.world.calls
      .slice(calls)
      .some(
        (call) => nameOf(call.request) === row.nic && call.sentMs >= earliestMs && showsAbsence(call, row),
      )
    if (!proof) this.violated(`11: ${row.nic} left RELEASING without proof of absence`)
  }

  private oneLiveRow(rows: readonly LeaseRow[]): void {
    // Somebody else's object may have the name of a promise of ours.
    const live = rows
      .filter(({ state }) => state !== 'quarantined' && state !== 'foreign')
      .map(({ nic }) => nic)
    if (new Set(live).size !== live.length) this.violated(`6, 13: two live rows of one name: ${live}`)
  }

  private bothFamilies(subnet: string, rows: readonly LeaseRow[]): void {
    const config = this.configOf(subnet)
    if (config?.protocol !== 'Dual') return
    for (const row of rows) {
      // What others hold is theirs to have in one family only.
      if (row.state === 'foreign' || row.state === 'quarantined') continue
      if (row.bit && (row.v4 === null || row.v6 === null)) this.violated(`10: ${row.nic} has one family only`)
    }
  }

  /** Deletes and patches met nothing but objects of Berth's, and those in `forced`, which it was told to remove. */
  blindWrites(forced: ReadonlySet<string> = new Set()): void {
    for (const { request, reply } of this.world.calls) {
      if (request.verb === 'patch' && !/^\d+$/.test(request.resourceVersion))
        this.violated(`15: a blind PATCH`)
      if (request.verb !== 'delete' && request.verb !== 'patch') continue
      if (request.ref.kind !== 'IP' || !reply?.ok || forced.has(request.ref.name)) continue
      if (reply.value.metadata.annotations?.[ANNOTATION_OP] === undefined) {
        this.violated(`15: ${request.verb} of ${request.ref.name}, which is not Berth's`)
      }
    }
  }

  private kindOf(subnet: string, op: string): string | undefined {
    return this.world.sql(subnet).first<{ kind: string }>(`SELECT kind FROM op WHERE id = ?`, op)?.kind
  }

  private configOf(subnet: string) {
    const stored = this.world
      .sql(subnet)
      .first<{ value: string }>(`SELECT value FROM meta WHERE key = 'subnet'`)
    if (!stored) return undefined
    const config = configOf((JSON.parse(stored.value) as SubnetRecord).facts)
    return config.ok ? config.value : undefined
  }

  private contains(subnet: string, { v4, v6 }: LeaseRow): boolean {
    const config = this.configOf(subnet)
    const in4 = v4 === null || (config?.v4 && v4 >= config.v4.first && v4 <= config.v4.last)
    const in6 = v6 === null || (config?.v6 && v6 >= config.v6.first && v6 <= config.v6.last)
    return Boolean(in4 && in6)
  }

  private violated(what: string): void {
    this.violations.push(what)
  }
}

function nameOf(request: Call['request']): string | undefined {
  if (request.verb === 'create' || request.verb === 'replace') return request.object.metadata.name
  return request.ref.kind === 'IP' ? request.ref.name : undefined
}

function isOurPost({ request }: Call, row: LeaseRow): boolean {
  return request.verb === 'create' && request.object.metadata.annotations?.[ANNOTATION_OP] === row.origin
}

function mayLand({ reply }: Call): boolean {
  return reply === undefined || (!reply.ok && reply.error.outcome === 'unknown')
}

function showsAbsence({ request, reply }: Call, row: LeaseRow): boolean {
  if (request.verb !== 'get' || !reply) return false
  if (!reply.ok) return reply.error.reason === 'NotFound'
  return reply.value.metadata.annotations?.[ANNOTATION_OP] !== row.origin
}
