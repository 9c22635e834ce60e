import type { KubeObject } from '../../../../shared/cluster/port.ts'
import { ManualClock } from '../../clock.ts'
import { seededRandom } from '../../random.ts'
import { KubeOvnController } from '../controller.ts'
import { MemoryNorth } from '../north.ts'
import type { Quirks } from '../quirks.ts'
import { settle } from '../virtual-time.ts'
import type { Write } from '../writes.ts'
import { Labels, plain, unify, wanted } from './compare.ts'
import { Events, endState, objectsOf } from './end-state.ts'
import { Guide, type Parked } from './guide.ts'
import { type RecordedStep, type Recording, timeline } from './recording.ts'
import { RecordedServer } from './server.ts'
import { SLACK_MS, show, Timing, Wrong } from './timing.ts'
import { codeOf, RecordedUser } from './user.ts'

/** The controller has been running for so long when a recording begins. It puts the inspections where they are in P11. */
const RUNNING_FOR_MS = 4_400
/** How long a request may have been under way. */
const IN_FLIGHT_MS = 6
/** From exec to the first write. */
const BOOT_MS = 40

/** What a recording does not say of itself. */
export interface Surroundings {
  /** Subnets bound to the namespace. */
  readonly namespaceSubnets?: readonly string[]
  /** How long the controller has been running when the recording begins, ms. */
  readonly runningForMs?: number
}

/** One schedule of the model against a recording. */
export class Run {
  readonly guide: Guide
  reached = 0
  private readonly recording: Recording
  private readonly steps: readonly RecordedStep[]
  private readonly clock = new ManualClock()
  private readonly timing: Timing
  private readonly server: RecordedServer
  private readonly north = new MemoryNorth()
  private readonly user: RecordedUser
  private readonly controller: KubeOvnController
  private readonly events: Events
  private labels = new Labels()
  private startDue = false
  private readonly replies: { readonly write: Write; readonly code: number }[] = []

  constructor(recording: Recording, quirks: Quirks, surroundings: Surroundings, choices: readonly number[]) {
    this.recording = recording
    this.steps = timeline(recording)
    this.server = new RecordedServer(this.clock)
    this.events = new Events(recording, this.server.store)
    this.user = new RecordedUser(this.server, this.clock)
    this.guide = new Guide(choices, () => this.clock.nowMs())
    const zeroMs = this.clock.nowMs() + (surroundings.runningForMs ?? RUNNING_FOR_MS)
    this.timing = new Timing(this.guide, this.clock, zeroMs)
    this.controller = new KubeOvnController({
      cluster: this.server.forController,
      north: this.north,
      clock: this.clock,
      random: seededRandom(7),
      turns: this.guide,
      quirks,
      config: {
        gcIntervalMs: recording.given.controller.gc_interval_s * 1_000,
        namespaceSubnets: () => surroundings.namespaceSubnets ?? ['ovn-default'],
      },
      order: (_what, items) => this.asWritten(items),
      sent: (write, reply) => this.replies.push({ write, code: codeOf(reply, write.verb === 'create') }),
    })
  }

  /** @returns why the schedule is not the recording's, or undefined */
  async play(): Promise<string | undefined> {
    try {
      await this.prepare()
      for (; this.reached < this.steps.length; this.reached++) {
        const step = this.steps[this.reached]!
        if (this.overtaken(step)) {
          await this.step(this.steps[this.reached + 1]!)
          await this.step(step, true)
          this.reached++
        } else await this.step(step)
        this.checkEvents()
      }
      await this.timing.quiet()
      const left = this.guide.parked.find(({ step }) => step.step === 'send')
      if (left !== undefined) return `not in the recording: ${show(left)}`
      this.checkEvents()
      const missing = this.events.missing()
      if (missing.length > 0) return `events that did not come: ${missing.join()}`
      return endState(this.recording, objectsOf(this.server.store), this.north, this.labels)
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      return error.message
    } finally {
      this.controller.kill()
      this.server.stop()
    }
  }

  /** The world as given, with a controller that has settled in it. */
  private async prepare(): Promise<void> {
    const { subnets, policies } = this.recording.given
    for (const { kind, name } of [
      { kind: 'Subnet', name: 'ovn-default' },
      { kind: 'Subnet', name: 'dual-stack' },
    ] as const) {
      const [present] = this.server.store.send([{ verb: 'get', ref: { kind, name } }])
      if (present?.ok)
        this.server.store.send([
          { verb: 'delete', ref: { kind, name }, uid: present.value.metadata.uid ?? '' },
        ])
    }
    for (const [name, { spec, status, finalizers }] of Object.entries(subnets)) {
      const object: KubeObject = {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name, finalizers: [...(finalizers ?? [])] },
        spec: { gatewayType: 'distributed', enableLb: true, ...spec },
      }
      const [made] = this.server.store.send([{ verb: 'create', object }])
      if (!made?.ok) throw new Error(`given Subnet ${name}: ${made?.error.message}`)
      const resourceVersion = made.value.metadata.resourceVersion ?? ''
      const ref = { kind: 'Subnet', name } as const
      this.server.store.send([
        { verb: 'patch', ref, patch: { status }, resourceVersion, subresource: 'status' },
      ])
    }
    for (const name of policies) this.server.policies.set(name, 'in force')
    for (const { name, addresses, external_ids } of this.recording.lsp_before)
      await this.north.put({ name, addresses, externalIds: external_ids })
    this.controller.start()
    await this.timing.drain(0)
    this.replies.length = 0
  }

  private checkEvents(): void {
    const checked = this.events.check(this.labels)
    if (typeof checked === 'string') throw new Wrong(checked)
    this.labels = checked
  }

  /**
   * Whether the server carried out the write that follows before this one of the user. Recordings are in the order in
   * which requests were sent; two on one object at the same moment may have met there the other way round.
   */
  private overtaken(step: RecordedStep): boolean {
    const next = this.steps[this.reached + 1]
    const path = (one: RecordedStep) => one.path?.replace(/\?.*/, '')
    if (step.actor !== 'user' || next?.actor !== 'controller' || path(step) !== path(next)) return false
    return next.at_ms - step.at_ms <= IN_FLIGHT_MS && this.guide.choose(2) === 1
  }

  private async step(step: RecordedStep, late = false): Promise<void> {
    if (step.actor === 'controller') return this.expect(step)
    await this.timing.pass(step.at_ms)
    switch (step.actor) {
      case 'user': {
        if (step.verb === 'look') return
        const code = await this.user.perform(step, late)
        if (code !== step.code) throw new Wrong(`${step.verb} ${step.path}: ${code}, not ${step.code}`)
        return
      }
      case 'restart':
        if (step.verb === 'stop') this.controller.kill()
        if (step.verb === 'stop') this.guide.parked.length = 0
        if (step.verb === 'start') this.startDue = true
        return
      case 'pause':
        if (step.verb === 'stop') this.controller.pause()
        else this.controller.continue()
        if (step.verb === 'stop') this.server.paused = true
        else this.server.continue()
        return
      case 'api server':
        if (step.verb === 'stop') this.server.stop()
        else this.server.ready()
        return
      case 'ovn': {
        const name = /^port (\S+) deleted by hand$/.exec(step.verb)?.[1]
        if (name === undefined) throw new Error(`ovn: ${step.verb} is not known`)
        await this.north.delete(name)
        return
      }
      default:
        throw new Error(`no such actor: ${JSON.stringify(step.actor satisfies never)}`)
    }
  }

  /** The controller writes this next, and gets that answer. */
  private async expect(step: RecordedStep): Promise<void> {
    if (this.startDue) {
      await this.timing.pass(step.at_ms - BOOT_MS)
      this.startDue = false
      this.controller.start()
    }
    await this.timing.pass(step.at_ms)
    for (;;) {
      await settle()
      this.noStranger()
      const sender = this.guide.parked.find((parked) => this.matches(parked, step) !== undefined)
      if (sender !== undefined) {
        this.labels = this.matches(sender, step)!
        this.server.denies = step.code === 422
        sender.go()
        await settle()
        const code = this.replies.at(-1)?.code
        if (code !== step.code)
          throw new Wrong(`${step.verb} ${step.path}: answered ${code}, not ${step.code}`)
        return
      }
      const ready = this.timing.ready(step)
      if (ready.length > 0) this.guide.pick(ready).go()
      else if (!(await this.timing.wake(step.at_ms + SLACK_MS)))
        throw new Wrong(`at ${step.at_ms} expected ${brief(step)}; waiting: ${this.waiting()}`)
    }
  }

  private matches({ step }: Parked, recorded: RecordedStep): Labels | undefined {
    return step.step === 'send' ? unify(wanted(recorded), plain(step.write), this.labels) : undefined
  }

  /** A write that is nowhere in what is left of the recording will never fit. */
  private noStranger(): void {
    for (const parked of this.guide.parked) {
      if (parked.step.step !== 'send') continue
      const lateMs = this.timing.sinceMs(parked) + 2 * SLACK_MS
      const { path } = plain(parked.step.write)
      const coming = this.steps
        .slice(this.reached)
        .filter((step) => step.actor === 'controller' && step.path === path && step.at_ms <= lateMs)
      // Of one Subnet's status only one write is under way at a time.
      if (path.endsWith('/status')) coming.length = Math.min(coming.length, 1)
      if (!coming.some((step) => this.matches(parked, step) !== undefined))
        throw new Wrong(`not in the recording: ${show(parked)}`)
    }
  }

  /** Go walks its caches in any order: here in the order in which the recording comes to the names. */
  private asWritten<T extends { readonly name: string }>(items: readonly T[]): T[] {
    const left = this.steps.slice(this.reached).filter(({ actor }) => actor === 'controller')
    const rank = ({ name }: T) => {
      const index = left.findIndex(({ path, verb }) => verb === 'delete' && path?.endsWith(`/${name}`))
      return index < 0 ? left.length : index
    }
    return [...items].sort((a, b) => rank(a) - rank(b))
  }

  private waiting(): string {
    return this.guide.parked.map(show).join('; ')
  }
}

const brief = ({ verb, path, body }: RecordedStep) => `${verb} ${path} ${JSON.stringify(body)}`
