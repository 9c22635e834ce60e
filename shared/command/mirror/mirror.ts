import { follow, OLD_MS } from '../../cluster/mirror/follow.ts'
import { isMirrored, MIRRORED_KINDS, type MirroredKind } from '../../cluster/mirror/kinds.ts'
import type { ClusterPort, KubeObject, ObjectRef } from '../../cluster/port.ts'
import { type Problem, problem } from '../../problem.ts'
import { err, ok, type Result } from '../../result.ts'
import { type FeedPorts, knowsSubnets, tell } from './feed.ts'

export interface MirrorPorts extends FeedPorts {
  readonly cluster: ClusterPort
}

/** How a kind is followed, for readiness. */
export interface KindStatus {
  readonly kind: MirroredKind
  readonly state: 'new' | 'synced' | 'absent'
  /** Since the last word from the cluster about this kind, ms. */
  readonly ageMs: number
  /** Never whole, or too old to rely on. */
  readonly ready: boolean
}

export interface MirrorStatus {
  readonly kinds: readonly KindStatus[]
  /** News that some ledger has not heard yet. */
  readonly waiting: number
  /** Subnets whose ledger could not be told, with the reason. */
  readonly failing: readonly { readonly subnet: string; readonly why: string }[]
}

/** Events that come close together go in one call; one that comes alone goes at once. */
const GATHER_MS = 20
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** Ledgers told side by side. */
const TOLD_AT_ONCE = 16

/** What one slice keeps of a Subnet. */
interface Pass {
  running: boolean
  /** News came while it ran. */
  again: boolean
  /** The Subnet or its pools may have changed. */
  subnetToo: boolean
  waitMs: number
  /** When it last ended. */
  toldMs: number
  why: string | undefined
}

const newPass = (): Pass => ({
  running: false,
  again: false,
  subnetToo: false,
  waitMs: 0,
  toldMs: 0,
  why: undefined,
})

/**
 * Follows the cluster and tells the ledgers. All that must last is in the store; what is here says only what is going
 * on just now, so the object may be lost at any time.
 */
export class Mirror {
  readonly #ports: MirrorPorts
  readonly #passes = new Map<string, Pass>()
  readonly #queue: string[] = []
  readonly #waiters = new Set<() => void>()
  #told = 0
  #signal: AbortSignal | undefined

  constructor(ports: MirrorPorts) {
    this.#ports = ports
  }

  get isRunning(): boolean {
    return this.#signal !== undefined && !this.#signal.aborted
  }

  /** Follows everything until the signal aborts; resolves once all of it has stopped. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.isRunning) throw new Error('the mirror runs already')
    this.#signal = signal
    const ports = {
      ...this.#ports,
      told: (kind: MirroredKind, subnets: ReadonlySet<string> | 'all') => {
        if (subnets === 'all') this.#newsForAll()
        else for (const subnet of subnets) this.#news(subnet, kind === 'Subnet' || kind === 'IPPool')
        this.#wake()
      },
    }
    this.#newsForAll()
    await Promise.all(MIRRORED_KINDS.map((kind) => follow(ports, kind, signal)))
    while ([...this.#passes.values()].some(({ running }) => running)) await this.#change()
  }

  /**
   * Waits until the ledger of that Subnet was told of everything the cluster has said so far. One that was told, but
   * has lost it, is told again.
   */
  async learn(subnet: string, waitMs: number): Promise<Result<undefined, Problem>> {
    const { store, clock } = this.#ports
    const { outbox } = store
    const over = new AbortController()
    let late = false
    const timer = clock.sleep(waitMs, over.signal).then(() => {
      late = true
      this.#wake()
    })
    if (outbox.feed(subnet)?.state === 'listed' && !(await this.#remembers(subnet))) outbox.forget(subnet)
    const upTo = outbox.latest()
    this.#news(subnet, true)
    const isTold = () =>
      this.#isFresh() && outbox.feed(subnet)?.state === 'listed' && outbox.told(subnet, upTo)
    while (!isTold() && !late) await this.#change()
    over.abort()
    await timer
    if (isTold()) return ok(undefined)
    const why = this.#passes.get(subnet)?.why ?? 'its objects are still being read'
    return err(problem('unavailable', `the cluster is not mirrored yet: ${why}`, { retryAfterMs: 1_000 }))
  }

  /** What is known of these objects; what is not mirrored is not known. */
  peek(refs: readonly ObjectRef[]): (KubeObject | undefined)[] {
    return refs.map(({ kind, namespace = '', name }) =>
      isMirrored(kind) ? this.#ports.store.get(kind, namespace, name) : undefined,
    )
  }

  status(): MirrorStatus {
    const { store } = this.#ports
    return {
      kinds: MIRRORED_KINDS.map((kind) => this.#kindStatus(kind)),
      waiting: store.outbox.waiting(),
      failing: [...this.#passes].flatMap(([subnet, { why }]) => (why === undefined ? [] : [{ subnet, why }])),
    }
  }

  #kindStatus(kind: MirroredKind): KindStatus {
    const { store, clock } = this.#ports
    const { state, heardMs } = store.kind(kind)
    const ageMs = heardMs === 0 ? 0 : Math.max(0, clock.nowMs() - heardMs)
    return { kind, state, ageMs, ready: state !== 'new' && ageMs <= OLD_MS }
  }

  /** Nothing is promised on the word of a mirror that is older than the limit. */
  #isFresh(): boolean {
    if (!knowsSubnets(this.#ports.store)) return false
    return (['Subnet', 'IPPool', 'IP'] as const).every((kind) => this.#kindStatus(kind).ready)
  }

  /** A ledger that has lost its Subnet refuses even news that say nothing. */
  async #remembers(subnet: string): Promise<boolean> {
    const { store, ledger } = this.#ports
    try {
      const version = store.kind('IP').rv
      const told = await ledger(subnet).observe({ kind: 'changes', version, objects: [], gone: [] })
      return told.ok
    } catch {
      return true
    }
  }

  #newsForAll(): void {
    const { store } = this.#ports
    const names = store.all('Subnet').map(({ metadata }) => metadata.name)
    for (const subnet of new Set([...names, ...store.outbox.feeds()])) this.#news(subnet, true)
  }

  #news(subnet: string, subnetToo: boolean): void {
    if (!this.isRunning) return
    const pass = this.#passes.get(subnet) ?? newPass()
    this.#passes.set(subnet, pass)
    pass.subnetToo ||= subnetToo
    if (pass.running) {
      pass.again = true
      return
    }
    pass.running = true
    this.#queue.push(subnet)
    this.#dispatch()
  }

  #dispatch(): void {
    while (this.#told < TOLD_AT_ONCE) {
      const subnet = this.#queue.shift()
      const pass = subnet === undefined ? undefined : this.#passes.get(subnet)
      if (subnet === undefined || !pass) return
      this.#told++
      void this.#pass(subnet, pass)
    }
  }

  async #pass(subnet: string, pass: Pass): Promise<void> {
    const { clock } = this.#ports
    const signal = this.#signal
    const sinceMs = clock.nowMs() - pass.toldMs
    if (sinceMs >= 0 && sinceMs < GATHER_MS) await clock.sleep(GATHER_MS - sinceMs, signal)
    const { subnetToo } = pass
    Object.assign(pass, { again: false, subnetToo: false })
    const told = signal?.aborted ? 'all' : await tell(this.#ports, subnet, subnetToo, signal)
    this.#told--
    pass.toldMs = clock.nowMs()
    if (told !== 'all') pass.subnetToo ||= subnetToo
    pass.why = told === 'all' ? undefined : told.why
    pass.waitMs = told === 'all' ? 0 : Math.min(Math.max(pass.waitMs * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS)
    this.#dispatch()
    // Others go on while this one rests; news do not shorten that.
    if (pass.waitMs > 0) await clock.sleep(pass.waitMs, signal)
    pass.running = false
    if (pass.again || told !== 'all') this.#news(subnet, false)
    this.#wake()
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter()
    this.#waiters.clear()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve))
  }
}
