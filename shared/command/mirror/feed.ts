import type { Clock } from '../../clock.ts'
import type { Mark } from '../../cluster/mirror/outbox.ts'
import type { MirrorStore } from '../../cluster/mirror/store.ts'
import type { KubeObject } from '../../cluster/port.ts'
import type { IpPoolObject } from '../../kube-ovn/ip-pool-object.ts'
import { VIP_PREFIX } from '../../kube-ovn/names.ts'
import type { SubnetObject } from '../../kube-ovn/subnet-object.ts'
import type { IpNews, LedgerPort, Mode, SeenIp, SubnetFacts } from '../../ledger/port.ts'
import type { Log } from '../../log.ts'
import { isRetryable, type Problem } from '../../problem.ts'
import type { Random } from '../../random.ts'
import { factsOf, poolsBySubnet, type Windows } from '../facts.ts'
import { seenIp, seenVip } from '../seen.ts'

export interface FeedPorts {
  readonly store: MirrorStore
  readonly ledger: (subnet: string) => Pick<LedgerPort, 'configure' | 'subnetGone' | 'observe' | 'nudge'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The cluster's name in every space's name. */
  readonly clusterName: string
  /** Whether Berth is the one who acts on IP objects; while it is not, nobody is told of them. */
  readonly inCharge: () => Promise<Mode | undefined>
  readonly windows?: Windows
}

/** Objects in one call to a ledger. */
const PART_OBJECTS = 1_000

/** How one pass ended: all told, or to be tried again. */
export type Told = 'all' | { readonly why: string }

/**
 * Tells one Subnet's ledger what it has not heard yet: its Subnet and pools, then all IP objects, then what changed, in
 * order. What was told is forgotten only after the ledger said that it has it. One pass at a time for each Subnet; the
 * signal ends it between two calls.
 */
export async function tell(
  ports: FeedPorts,
  subnet: string,
  /** The Subnet or its pools may have changed, or nobody knows. */
  subnetToo: boolean,
  signal?: AbortSignal,
): Promise<Told> {
  const { store, log } = ports
  try {
    if (subnetToo || !store.outbox.feed(subnet)) {
      const configured = await tellSubnet(ports, subnet)
      if (configured !== 'all') return configured
    }
    const feed = store.outbox.feed(subnet)
    if (!feed) return 'all'
    // What is told has a version, or news of before could not be told from news of after. The end of the list comes here again.
    if (isBeingRead(store)) return 'all'
    const listFirst = feed.state !== 'listed'
    if (listFirst && feed.gone) return 'all'
    const mode = await ports.inCharge()
    if (!mode) return { why: 'Berth is not in charge of this cluster' }
    if (listFirst) {
      const listed = await tellList(ports, subnet, mode)
      if (listed !== 'all') return listed
    }
    return await tellMarks(ports, subnet, mode, signal)
  } catch (error) {
    // The runtime's own words: the ledger cannot be reached.
    const why = error instanceof Error ? error.message : 'the ledger does not answer'
    log.write('warn', 'mirror: ledger not told', { subnet, why })
    return { why }
  }
}

/** Whether all kinds that a Subnet's facts are made of were listed at least once. */
export function knowsSubnets(store: MirrorStore): boolean {
  return (['Subnet', 'IPPool', 'IP', 'Vip'] as const).every((kind) => store.kind(kind).state !== 'new')
}

/** Whether a list of IP objects or Vips is yet to come: what is known is of no version. */
function isBeingRead(store: MirrorStore): boolean {
  return (['IP', 'Vip'] as const).some((kind) => {
    const { state, rv } = store.kind(kind)
    return state === 'synced' && rv === ''
  })
}

async function tellSubnet(ports: FeedPorts, subnet: string): Promise<Told> {
  const { store } = ports
  if (!knowsSubnets(store)) return 'all'
  const ledger = ports.ledger(subnet)
  const object = store.get('Subnet', '', subnet) as SubnetObject | undefined
  // One that is being removed takes no new reservations, and there is no way back.
  const present = object && object.metadata.deletionTimestamp === undefined ? object : undefined
  const known = store.outbox.feed(subnet)
  if (known && !known.gone && known.uid !== present?.metadata.uid) {
    await ledger.subnetGone(known.uid)
    store.outbox.subnetGone(subnet)
  }
  if (!present) return 'all'
  const facts = factsIn(ports, present)
  const config = configText(facts)
  if (known?.config === config && !known.gone) return 'all'
  const configured = await ledger.configure(facts)
  if (configured.ok) {
    store.outbox.configured(subnet, facts.uid, config)
    return 'all'
  }
  if (isRetryable(configured.error.code)) return refused(ports, subnet, configured.error)
  // It will stay that way until the Subnet changes, which comes here again.
  refused(ports, subnet, configured.error)
  return 'all'
}

function factsIn({ store, clusterName, windows }: FeedPorts, object: SubnetObject): SubnetFacts {
  const pools = store.ofSubnet('IPPool', object.metadata.name, '', Number.MAX_SAFE_INTEGER) as IpPoolObject[]
  return factsOf(
    object,
    { version: store.kind('IPPool').rv, bySubnet: poolsBySubnet(pools) },
    clusterName,
    windows,
  )
}

/** What a new version alone does not change; the counters in a Subnet's status make many versions. */
function configText({ resourceVersion: _, poolsVersion: _pools, ...facts }: SubnetFacts): string {
  return JSON.stringify(facts)
}

async function tellList(ports: FeedPorts, subnet: string, mode: Mode): Promise<Told> {
  const { store, random } = ports
  store.outbox.beginList(subnet)
  const list = [...random.bytes(12)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  let part: SeenIp[] = []
  const tellPart = (last: boolean) =>
    observe(ports, subnet, { mode, kind: 'list', list, last, version: store.kind('IP').rv, objects: part })
  for (const kind of ['IP', 'Vip'] as const) {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const objects: KubeObject[] = store.ofSubnet(kind, subnet, after, PART_OBJECTS)
      part.push(...objects.map(kind === 'IP' ? seenIp : seenVip))
      after = objects.length < PART_OBJECTS ? undefined : objects.at(-1)?.metadata.name
      if (part.length < PART_OBJECTS) continue
      const told = await tellPart(false)
      if (told !== 'all') return told
      part = []
    }
  }
  const told = await tellPart(true)
  if (told !== 'all') return told
  store.outbox.endList(subnet)
  return 'all'
}

async function tellMarks(ports: FeedPorts, subnet: string, mode: Mode, signal?: AbortSignal): Promise<Told> {
  const { outbox } = ports.store
  for (;;) {
    if (signal?.aborted) return 'all'
    const marks = inOneCall(outbox.marks(subnet, PART_OBJECTS))
    if (marks.length === 0) return 'all'
    const changes = newsOf(ports.store, subnet, marks)
    if (changes) {
      const told = await observe(ports, subnet, { ...changes, mode })
      if (told !== 'all') return told
      if (!outbox.feed(subnet)) return 'all'
    }
    const ledger = ports.ledger(subnet)
    for (const { what, name } of marks) {
      if (what !== 'nudge') continue
      const slash = name.indexOf('/')
      await ledger.nudge({ namespace: name.slice(0, slash), podName: name.slice(slash + 1) })
    }
    outbox.settle(marks)
  }
}

/** As many as name each object once, so that what goes and what comes under one name stay in order. */
function inOneCall(marks: readonly Mark[]): readonly Mark[] {
  const names = new Set<string>()
  for (const [index, { what, name }] of marks.entries()) {
    if (what === 'nudge') continue
    if (names.has(name)) return marks.slice(0, index)
    names.add(name)
  }
  return marks
}

/** The objects as they are now. One that went meanwhile has a mark of its own that says so. */
function newsOf(store: MirrorStore, subnet: string, marks: readonly Mark[]): IpNews | undefined {
  const objects: SeenIp[] = []
  const gone: { readonly name: string; readonly uid: string }[] = []
  for (const { what, name, uid } of marks) {
    if (what === 'gone') gone.push({ name, uid })
    if (what !== 'object') continue
    const isVip = name.startsWith(VIP_PREFIX)
    const object = isVip ? store.get('Vip', '', name.slice(VIP_PREFIX.length)) : store.get('IP', '', name)
    const seen = object && (object.spec as { subnet?: unknown } | undefined)?.subnet === subnet
    if (seen) objects.push(isVip ? seenVip(object) : seenIp(object))
  }
  if (objects.length === 0 && gone.length === 0) return undefined
  return { kind: 'changes', version: store.kind('IP').rv, objects, gone }
}

async function observe(ports: FeedPorts, subnet: string, news: IpNews): Promise<Told> {
  const { outbox } = ports.store
  const told = await ports.ledger(subnet).observe(news)
  if (told.ok) return 'all'
  if (told.error.code !== 'unknown_subnet') {
    // It does not take this news: all of it, then.
    outbox.relist(subnet)
    return refused(ports, subnet, told.error)
  }
  // An empty ledger is dropped with its Subnet. One that has lost its Subnet is told from the beginning.
  const isOver = outbox.feed(subnet)?.gone === true
  outbox.forget(subnet)
  return isOver ? 'all' : refused(ports, subnet, told.error)
}

function refused({ log }: FeedPorts, subnet: string, { code, detail }: Problem): Told {
  log.write('warn', 'mirror: the ledger refuses', { subnet, code, detail })
  return { why: detail }
}
