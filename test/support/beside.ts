import type { ClusterPort, ClusterRequest, KubeObject, ObjectRef } from '../../shared/cluster/port.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { repair } from '../../shared/command/repair/repair.ts'
import type { RepairFinding } from '../../shared/command/repair/types.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { learnSubnet } from '../../shared/command/subnets.ts'
import type { ReleaseCommand, ReserveItem, WriteOutcome } from '../../shared/command/types.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import { type ControllerParts, KubeOvnController } from './controller/controller.ts'
import { MemoryNorth } from './controller/north.ts'
import { lagging } from './controller/turns.ts'
import { settle } from './controller/virtual-time.ts'
import type { Write } from './controller/writes.ts'
import { byHand } from './foreign.ts'
import { seededRandom } from './random.ts'
import { World } from './world.ts'

export const WINDOW = '10.16.0.100..10.16.0.199'

export interface BesideOptions {
  readonly settings?: Partial<LedgerSettings>
  readonly controller?: Partial<ControllerParts>
  readonly subnet?: { readonly spec?: object; readonly annotations?: Record<string, string> }
  readonly seed?: number
}

/** Berth's production core and the model controller on one embedded API server, under one clock. */
export class BesideWorld {
  readonly world: World
  readonly north = new MemoryNorth()
  readonly controller: KubeOvnController
  readonly ports: CommandPorts
  /** What the controller wrote. */
  readonly writes: Write[] = []
  /** Stands between the controller and the API server. */
  guard: (port: ClusterPort) => ClusterPort = (port) => port
  /** Whether news of IP objects comes to the ledger. */
  tells = true

  private constructor(world: World, { controller = {}, seed = 1 }: BesideOptions) {
    this.world = world
    const { settings } = world.ports
    this.ports = { ...world.ports, settings: { ...settings, authority: 'beside' } }
    const port = world.direct
    const random = seededRandom(seed)
    this.controller = new KubeOvnController({
      cluster: {
        send: (requests) => this.guard(port).send(requests),
        list: (kind, options) => this.guard(port).list(kind, options),
        watch: (kind, options) => this.guard(port).watch(kind, options),
      },
      north: this.north,
      clock: world.clock,
      random,
      turns: lagging(world.clock, random, { arrive: 5, hear: 2, take: 2, send: 2, sweep: 2 }),
      sent: (write) => this.writes.push(write),
      ...controller,
    })
  }

  /** Subnet ovn-default with a window in its excludeIps, known to the ledger; the controller has begun its work. */
  static async start(options: BesideOptions = {}): Promise<BesideWorld> {
    const world = new World({ mirrored: true, quarantineMs: 300_000, ...options.settings })
    const { spec = {}, annotations = { 'berth/window': WINDOW } } = options.subnet ?? {}
    const { metadata } = byHand(world, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })
    byHand(world, {
      verb: 'patch',
      ref: { kind: 'Subnet', name: 'ovn-default' },
      resourceVersion: metadata.resourceVersion ?? '',
      patch: { metadata: { annotations }, spec: { excludeIps: ['10.16.0.1', WINDOW], ...spec } },
    })
    const beside = new BesideWorld(world, options)
    await beside.learn()
    await world.mirror.list('ovn-default')
    beside.controller.start()
    await beside.pass(5_000)
    return beside
  }

  /** The ledger is told of the Subnet as it is now. */
  async learn(): Promise<void> {
    const learnt = await learnSubnet(this.ports, 'ovn-default')
    if (!learnt.ok) throw new Error(learnt.error.detail)
  }

  /** Lets time pass, and everybody work: the controller, the ledger's alarm, the mirror. */
  async pass(ms: number): Promise<void> {
    const { clock } = this.world
    const untilMs = clock.nowMs() + ms
    for (;;) {
      await this.everybody()
      const nextMs = Math.min(clock.nextWakeMs ?? untilMs, this.world.alarmAtMs() ?? untilMs, untilMs)
      if (clock.nowMs() >= untilMs) return
      clock.advance(Math.max(nextMs - clock.nowMs(), 1))
    }
  }

  /** Runs a write while time passes. */
  async during<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let done = false
    const watched = work.finally(() => {
      done = true
    })
    watched.catch(() => {})
    for (let passed = 0; !done && passed < limitMs; passed += 50) await this.pass(50)
    if (!done) throw new Error(`nothing came of it within ${limitMs} ms`)
    return watched
  }

  private async everybody(): Promise<void> {
    await settle()
    if (this.tells) await this.world.mirror.changes('ovn-default')
    const atMs = this.world.alarmAtMs()
    if (atMs !== undefined && atMs <= this.world.clock.nowMs()) await this.world.alarm()
    await settle()
  }

  /** Lets the controller go on, without anybody else, until it is so. */
  async settled(condition: () => boolean): Promise<void> {
    for (let spent = 0; !condition(); spent++) {
      if (spent === 1_000) throw new Error('the controller does nothing')
      this.world.clock.advance(1)
      await settle()
    }
  }

  reserve(item: Partial<ReserveItem> = {}): Promise<WriteOutcome> {
    return this.during(reserve(this.ports, this.world.reserveCommand([item])))
  }

  release(name: string, more: Partial<ReleaseCommand> = {}): Promise<WriteOutcome> {
    return this.during(release(this.ports, this.world.releaseCommand(name, more)))
  }

  /** What the hourly repair does. */
  async repair(dryRun: boolean, ports: CommandPorts = this.ports): Promise<readonly RepairFinding[]> {
    const command = { tenant: 'anonymous', requestId: 'r-1', subnet: 'ovn-default', dryRun }
    const outcome = await this.during(repair({ ...ports, ovn: noOvn }, command))
    if (outcome.kind !== 'compared') throw new Error(JSON.stringify(outcome.problem))
    return outcome.subnets.flatMap(({ findings }) => findings)
  }

  ip(name: string): KubeObject | undefined {
    const [reply] = this.world.store.send([{ verb: 'get', ref: { kind: 'IP', name } }])
    return reply?.ok ? reply.value : undefined
  }

  /** One request by somebody who is neither Berth nor the controller. */
  async hand(request: ClusterRequest): Promise<KubeObject> {
    const [reply] = await this.world.direct.send([request])
    if (!reply?.ok) throw new Error(JSON.stringify(reply?.error))
    return reply.value
  }

  /** Makes a Pod as a user does; the controller gives it an address. */
  async pod(name: string, annotations: Record<string, string> = {}): Promise<void> {
    const metadata = { name, namespace: 'default', annotations }
    const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec: {}, status: { phase: 'Pending' } }
    await this.hand({ verb: 'create', object })
  }

  /** A merge patch by hand. */
  async change(ref: ObjectRef, patch: unknown): Promise<void> {
    const { metadata } = await this.hand({ verb: 'get', ref })
    await this.hand({ verb: 'patch', ref, patch, resourceVersion: metadata.resourceVersion ?? '' })
  }

  async remove(ref: ObjectRef): Promise<void> {
    const { metadata } = await this.hand({ verb: 'get', ref })
    await this.hand({ verb: 'delete', ref, uid: metadata.uid ?? '' })
  }
}
