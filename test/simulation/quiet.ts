import type { KubeObject } from '../../shared/cluster/port.ts'
import { formatAddress } from '../../shared/ipam/address.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { ANNOTATION_OP, FINALIZER } from '../../shared/kube-ovn/names.ts'
import { recount } from '../../shared/ledger/counts.ts'
import { type LeaseRow, LeaseTable } from '../../shared/ledger/lease.ts'
import type { ItemState } from '../../shared/ledger/operations.ts'
import { Space } from '../../shared/ledger/space.ts'
import type { Scenario } from './scenario.ts'
import type { SimulatedWorld } from './world.ts'

export type Violated = (invariant: string, what: string) => void

/** Invariants that hold when no operation is open and nothing breaks: 1, 2, 3, 7, 8, 10, 17, 19. */
export async function quiet(world: SimulatedWorld, scenario: Scenario, violated: Violated): Promise<void> {
  const marked = world.api
    .all('IP')
    .filter(({ metadata }) => metadata.annotations?.[ANNOTATION_OP] !== undefined) as KubeObject<IpSpec>[]
  const promised: LeaseRow[] = []
  const waits = new Set<string>()
  for (const { name } of scenario.shapes) {
    const sql = world.sql(name)
    if (!sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'lease'`)) continue
    const rows = [...new LeaseTable(sql, () => {}).all()]
    promised.push(...rows.filter(({ state }) => state === 'bound' || state === 'stranded'))
    for (const { items } of sql.all<{ items: string }>(
      `SELECT items FROM op WHERE state = 'running' AND phase = 'owner'`,
    )) {
      for (const { nic } of JSON.parse(items) as { nic: string }[]) waits.add(nic)
    }
    const started = startedUnder(world, name)
    for (const nics of started.values()) for (const nic of nics) waits.add(nic)
    settled(world, name, started, violated)
    await agreed(world, name, rows, violated)
  }
  oneToOne(marked, promised, waits, violated)
}

/** Releases that wait because owners started under them (fault 87), by operation: names of those whose Pods do live. */
function startedUnder(world: SimulatedWorld, subnet: string): Map<string, readonly string[]> {
  const started = new Map<string, readonly string[]>()
  for (const { id, items } of world
    .sql(subnet)
    .all<{ id: string; items: string }>(
      `SELECT id, items FROM op WHERE state = 'running' AND kind = 'release' AND phase = 'delete'`,
    )) {
    const open = (JSON.parse(items) as ItemState[]).filter(({ stage }) => stage !== 'gone')
    const isWaiting = open.every(({ nic, alive }) => alive !== undefined && hasPod(world, nic))
    if (isWaiting)
      started.set(
        id,
        open.map(({ nic }) => nic),
      )
  }
  return started
}

const hasPod = (world: SimulatedWorld, nic: string) =>
  world.api.get('Pod', nic.slice(0, nic.indexOf('.')), 'default') !== undefined

/** 17: no operation open, no attempt unread. What waits for somebody else's deed (a living owner, a claim) may stay. */
function settled(
  world: SimulatedWorld,
  subnet: string,
  started: ReadonlyMap<string, unknown>,
  violated: Violated,
): void {
  const sql = world.sql(subnet)
  for (const { id, kind, phase } of sql.all<{ id: string; kind: string; phase: string }>(
    `SELECT id, kind, phase FROM op WHERE state = 'running' AND phase <> 'owner'`,
  )) {
    if (!started.has(id)) violated('17', `${subnet}: ${kind} ${id} is still open in phase ${phase}`)
  }
  world.counters.hit(
    'leases ended',
    sql.first<{ n: number }>(
      `SELECT COUNT(*) AS n FROM audit WHERE verb = 'release' AND body LIKE '%lease_expired%'`,
    )?.n,
  )
  // What is over, and whose owner was not seen alive, has been ended.
  for (const { nic } of sql.all<{ nic: string }>(
    `SELECT nic FROM lifetime, state WHERE looks = 0 AND lapse_ms < slow_ms - 60000`,
  )) {
    violated('17', `${subnet}: ${nic} outlives its time`)
  }
  for (const { op } of sql.all<{ op: string }>(
    `SELECT op FROM attempt JOIN op ON op.id = attempt.op WHERE outcomes IS NULL AND phase <> 'owner'`,
  )) {
    if (!started.has(op)) violated('17', `${subnet}: nobody knows what became of an attempt of ${op}`)
  }
}

/** 7, 8, 19: a core made anew from storage says what the living one says, and both what a recount says. */
async function agreed(
  world: SimulatedWorld,
  subnet: string,
  rows: readonly LeaseRow[],
  violated: Violated,
): Promise<void> {
  const object = world.space(subnet)
  const fresh = new Space({
    sql: object.sql,
    clock: { ...world.schedule, nowMs: () => world.schedule.nowMs() } as never,
    random: { bytes: (length) => new Uint8Array(length) },
    settings: world.settings,
  })
  if (!fresh.subnet) return
  const counted = recount(rows, fresh.excludes())
  if (text(fresh.counts) !== text(counted)) {
    violated('8', `${subnet}: kept counts ${text(fresh.counts)}, recounted ${text(counted)}`)
  }
  const view = await object.core.ledger.view()
  const capacity = fresh.allocator.capacity()
  for (const family of ['v4', 'v6'] as const) {
    const live = view?.[family]
    if (!live) continue
    if (capacity[family]?.free !== live.free) {
      violated(
        '19',
        `${subnet} ${family}: ${capacity[family]?.free} free in the pages, ${live.free} by the counts`,
      )
    }
    const sum =
      live.bound + live.releasing + live.foreign + live.held + live.quarantined + live.excluded + live.free
    if (sum !== live.usable) violated('7', `${subnet} ${family}: ${text(live)} does not add up`)
  }
  const offered = await object.core.ledger.suggest(5, false)
  const cold = fresh.allocator.suggest(5, { family: fresh.config.v4 ? 4 : 6 })
  const one = offered?.ok ? offered.value : []
  const other = cold.ok ? cold.value : []
  if (!fresh.subnet.orphaned && text(one) !== text(other)) {
    violated('19', `${subnet}: the living core offers ${one}, a cold one ${other}`)
  }
  for (const [what, values] of [
    ['address', rows.flatMap(({ bit, v4 }) => (bit && v4 !== null ? [String(v4)] : []))],
    ['address', rows.flatMap(({ bit, v6 }) => (bit && v6 !== null ? [String(v6)] : []))],
    ['MAC', rows.flatMap(({ state, mac }) => (state === 'foreign' ? [] : [mac.toLowerCase()]))],
  ] as const) {
    const twice = values.find((value, index) => values.indexOf(value) !== index)
    if (twice !== undefined) violated(what === 'MAC' ? '2' : '1', `${subnet}: two rows have ${what} ${twice}`)
  }
}

/** 3, 10: promises and objects with our marks are one to one, complete and as promised. */
function oneToOne(
  marked: readonly KubeObject<IpSpec>[],
  promised: readonly LeaseRow[],
  waits: ReadonlySet<string>,
  violated: Violated,
): void {
  const objects = new Map(marked.map((object) => [object.metadata.name, object]))
  // Who lost its object's name to somebody else is contested, and says so.
  for (const row of promised.filter(({ contested }) => !contested)) {
    const object = objects.get(row.nic)
    objects.delete(row.nic)
    if (!object) {
      violated('3', `${row.nic} is ${row.state} and has no object`)
      continue
    }
    const { metadata, spec } = object
    const said = [
      metadata.uid,
      spec?.v4IpAddress ?? '',
      spec?.v6IpAddress ?? '',
      spec?.macAddress,
      spec?.podName,
    ]
    const due = [
      row.uid,
      row.v4 === null ? '' : formatAddress(4, row.v4),
      row.v6 === null ? '' : formatAddress(6, row.v6),
      row.mac,
      row.podName,
    ]
    if (text(said) !== text(due)) violated('3', `${row.nic}: the object says ${said}, the row ${due}`)
    if (metadata.deletionTimestamp !== undefined && !waits.has(row.nic)) {
      violated('3', `${row.nic} is ${row.state}, its object is being deleted, and nobody waits for its owner`)
    }
    if (!metadata.finalizers?.includes(FINALIZER)) violated('3', `${row.nic} has no finalizer`)
  }
  const contested = new Set(promised.flatMap((row) => (row.contested ? [row.nic] : [])))
  for (const { metadata } of objects.values()) {
    if (!contested.has(metadata.name) && !waits.has(metadata.name))
      violated('3', `${metadata.name} carries our mark and has no promise`)
  }
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
