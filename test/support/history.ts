import { expect } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { deleteSubnet, putSubnet } from '../../shared/command/subnets.ts'
import type { Reservation, ReserveItem, WriteOutcome } from '../../shared/command/types.ts'
import { configOf } from '../../shared/ledger/facts.ts'
import { PROBLEMS } from '../../shared/problem.ts'
import { expectAgreement } from './agreement.ts'
import { answered, dyingAt, subnetManifest } from './drive.ts'
import { type Snapshot, snapshot } from './snapshot.ts'
import { Steps } from './steps.ts'
import { type Fault, Weather } from './weather.ts'
import { World } from './world.ts'

export type Operation =
  | { readonly do: 'reserve'; readonly items: readonly Partial<ReserveItem>[]; readonly how: How }
  | { readonly do: 'release'; readonly pods: readonly string[]; readonly how: How }
  | { readonly do: 'configure'; readonly subnet: string; readonly spec: object; readonly dryRun: boolean }
  | { readonly do: 'remove'; readonly subnet: string; readonly dryRun: boolean }
  | { readonly do: 'restart'; readonly subnet: string }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'jump'; readonly ms: number }

export interface How {
  readonly key?: string
  readonly dryRun?: boolean
  readonly fault?: Fault
  /** Dies at this point of the call. */
  readonly dies?: number
  /** Another call at the same time. */
  readonly beside?: Operation
}

type Write = Extract<Operation, { do: 'reserve' | 'release' }>

const QUIET_MS = 500_000
const DAY_MS = 86_400_000

const nameOf = (podName: string | undefined) => `${podName}.default`

/**
 * Runs a random history against the production core and keeps a book of what was promised. After each step the book
 * and the ledger agree; at the end, healed and quiet, everything does.
 */
export class History {
  readonly world: World
  private readonly steps: Steps
  private readonly subnets: readonly string[]
  /** What a caller holds a 2xx for, by name. */
  private readonly promised = new Map<string, Reservation>()
  private readonly stored = new Map<string, { readonly body: string; readonly outcome: string }>()
  private readonly weather: Weather

  constructor(subnets: readonly string[], quarantineMs: number) {
    this.world = new World({ quarantineMs })
    this.subnets = subnets
    this.steps = new Steps(this.world)
    this.weather = new Weather(this.world, subnets)
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      await this.step(operation)
      expect(this.steps.violations, JSON.stringify(operation)).toEqual([])
      await this.promisesStand(JSON.stringify(operation))
    }
    await this.quiet()
    for (const subnet of this.subnets) this.world.restart(subnet)
    await this.quiet()
    await this.promisesStand('at the end')
    for (const subnet of this.subnets) await expectAgreement(this.world, subnet)
    this.steps.blindWrites()
    expect(this.steps.violations).toEqual([])
  }

  private async step(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'reserve':
      case 'release':
        return this.write(this.keyed(operation))
      case 'configure': {
        const before = operation.dryRun ? snapshot(this.world) : undefined
        const manifest = subnetManifest(operation.spec, operation.subnet)
        await putSubnet(this.world.ports, manifest, operation.dryRun)
        if (before) expect(snapshot(this.world)).toEqual(before)
        return
      }
      case 'remove': {
        const before = operation.dryRun ? snapshot(this.world) : undefined
        const inUse = this.held(operation.subnet)
        const removed = await deleteSubnet(this.world.ports, operation.subnet, operation.dryRun)
        if (removed.ok) expect(inUse).toBe(false)
        if (removed.ok && !operation.dryRun) {
          // What was promised under a key there is forgotten with it.
          for (const place of this.stored.keys()) {
            if (place.startsWith(`${operation.subnet} `)) this.stored.delete(place)
          }
        }
        if (before) expect(snapshot(this.world)).toEqual(before)
        return
      }
      case 'restart':
        this.world.restart(operation.subnet)
        return
      case 'pass':
        return this.weather.pass(operation.ms)
      case 'jump':
        this.world.clock.jump(operation.ms)
        // An alarm that a clock set back put far ahead is set anew by the next call.
        for (const subnet of this.subnets) await this.world.alarm(subnet)
        return
    }
  }

  /** A key is never asked for again when it is a day old: nobody knows then whether it is still known. */
  private keyed(operation: Write): Write {
    const { key, beside } = operation.how
    const day = Math.floor(this.world.clock.passedMs / DAY_MS)
    const how: How = {
      ...operation.how,
      ...(key === undefined ? {} : { key: `${key} of day ${day}` }),
      ...(beside?.do === 'reserve' || beside?.do === 'release' ? { beside: this.keyed(beside) } : {}),
    }
    return { ...operation, how }
  }

  /** One write, with whatever befalls it. */
  private async write(operation: Write): Promise<void> {
    const { how } = operation
    this.weather.inject(how.fault)
    const before = snapshot(this.world, ['idempotency'])
    const call = () => this.call(operation)
    const subnet = operation.do === 'reserve' ? (operation.items[0]?.subnet ?? '') : ''
    if (how.dies !== undefined) {
      await dyingAt(this.world, how.dies, call, subnet || this.subnets[0])
      for (const each of this.subnets) this.world.restart(each)
      this.weather.heal()
      return this.settle(operation)
    }
    if (how.beside && (how.beside.do === 'reserve' || how.beside.do === 'release')) {
      const beside = how.beside
      await Promise.all([
        answered(this.world, call(), subnet),
        answered(this.world, this.call(beside), subnet),
      ])
      this.weather.heal()
      await this.settle(operation)
      return this.settle(beside)
    }
    const outcome = await answered(this.world, call(), subnet || this.subnets[0])
    this.weather.heal()
    if (how.dryRun) {
      expect(snapshot(this.world, ['idempotency'])).toEqual(before)
      return
    }
    if (outcome.kind === 'pending') return this.settle(operation)
    if (this.isRepeat(operation, outcome)) return
    if (outcome.kind === 'refused') {
      expect(PROBLEMS[outcome.problem.code].status).toBeGreaterThanOrEqual(400)
      const now = snapshot(this.world, ['idempotency'])
      // What the cluster refused leaves the memory of an operation; what the ledger refused leaves nothing (22).
      if (operationsOf(now) === operationsOf(before)) expect(now).toEqual(before)
      return
    }
    if (operation.do === 'release') {
      for (const { name } of outcome.reservations) this.promised.delete(name)
      return
    }
    this.wellFormed(operation.items, outcome.reservations, outcome.created)
    for (const made of outcome.reservations) this.promised.set(made.name, made)
  }

  private call(operation: Write): Promise<WriteOutcome> {
    const { how } = operation
    const more = {
      dryRun: how.dryRun ?? false,
      ...(how.key === undefined ? {} : { idempotencyKey: how.key }),
    }
    if (operation.do === 'reserve') {
      return reserve(this.world.ports, this.world.reserveCommand(operation.items, more))
    }
    const targets = operation.pods.map((podName) => ({ name: nameOf(podName) }))
    return release(
      this.world.ports,
      this.world.releaseCommand('', { ...more, targets, bodyHash: JSON.stringify(targets), force: true }),
    )
  }

  /** A reserve's own answer under its key, again: equal to the first, and no news. */
  private isRepeat(operation: Write, outcome: WriteOutcome): boolean {
    const { key } = operation.how
    if (key === undefined || operation.do !== 'reserve') return false
    const place = `${operation.items[0]?.subnet} ${key}`
    const body = JSON.stringify(operation.items)
    const known = this.stored.get(place)
    if (known?.body === body) {
      expect(JSON.stringify(outcome), 'the stored answer').toBe(known.outcome)
      return true
    }
    if (known) {
      expect(outcome.kind === 'refused' && outcome.problem.code).toBe('idempotency_mismatch')
      return true
    }
    const status = outcome.kind === 'refused' ? PROBLEMS[outcome.problem.code].status : 200
    const final = status < 500 && !(outcome.kind === 'refused' && outcome.problem.code === 'releasing')
    const mayKeep = !(outcome.kind === 'refused' && outcome.problem.code === 'unknown_subnet')
    if (final && mayKeep) this.stored.set(place, { body, outcome: JSON.stringify(outcome) })
    return false
  }

  /** Invariants 6, 9, 10 of a 2xx. */
  private wellFormed(
    items: readonly Partial<ReserveItem>[],
    made: readonly Reservation[],
    created: boolean,
  ): void {
    expect(made).toHaveLength(items.length)
    for (const [index, item] of items.entries()) {
      const one = made[index]
      if (!one) throw new Error('fewer reservations than wishes')
      const known = this.promised.get(one.name)
      const address = [one.v4IpAddress, one.v6IpAddress, one.macAddress, one.id]
      if (known) {
        expect(address).toEqual([known.v4IpAddress, known.v6IpAddress, known.macAddress, known.id])
        continue
      }
      if (item.v4IpAddress !== undefined) expect(one.v4IpAddress).toBe(item.v4IpAddress)
      if (!created) continue
      expect(one.state).toBe('bound')
      const config = this.config(one.subnet)
      expect([one.v4IpAddress !== '', one.v6IpAddress !== '']).toEqual([!!config.v4, !!config.v6])
      expect([one.v4IpAddress, one.v6IpAddress]).not.toContain(config.gateway.split(',')[0])
      expect([one.v4IpAddress, one.v6IpAddress]).not.toContain(config.gateway.split(',')[1])
    }
  }

  private config(subnet: string) {
    const [reply] = this.world.store.send([{ verb: 'get', ref: { kind: 'Subnet', name: subnet } }])
    if (!reply?.ok) throw new Error(`no Subnet ${subnet}`)
    const spec = reply.value.spec as { cidrBlock: string; gateway: string; excludeIps: string[] }
    const config = configOf({
      ...spec,
      cluster: '',
      name: '',
      uid: '',
      resourceVersion: '',
      provider: '',
      vpc: '',
      default: false,
      pools: [],
      poolsVersion: '',
    })
    if (!config.ok) throw new Error(config.error.detail)
    return config.value
  }

  private held(subnet: string): boolean {
    const sql = this.world.sql(subnet)
    if (!sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'lease'`)) return false
    return sql.first(`SELECT 1 FROM lease`) !== undefined
  }

  /** After a call whose end nobody saw: wait, then note what became of it. Nobody else's promise may have changed. */
  private async settle(operation: Operation): Promise<void> {
    await this.weather.pass(QUIET_MS)
    const pods =
      operation.do === 'reserve'
        ? operation.items.map(({ podName }) => podName)
        : operation.do === 'release'
          ? operation.pods
          : []
    for (const pod of pods) {
      const found = await reservation(this.world.ports, nameOf(pod))
      const stands = found.ok && (found.value.state === 'bound' || found.value.state === 'stranded')
      if (stands) this.promised.set(nameOf(pod), found.value)
      else this.promised.delete(nameOf(pod))
    }
    if (operation.do !== 'reserve' || operation.how.key === undefined) return
    // What the key says from here on is what it will say.
    const command = this.world.reserveCommand(operation.items, { idempotencyKey: operation.how.key })
    const place = `${operation.items[0]?.subnet} ${operation.how.key}`
    if (this.stored.has(place) || operation.how.dryRun) return
    const outcome = await answered(this.world, reserve(this.world.ports, command), operation.items[0]?.subnet)
    if (outcome.kind === 'done') {
      this.stored.set(place, { body: JSON.stringify(operation.items), outcome: JSON.stringify(outcome) })
      for (const { name } of outcome.reservations) {
        const found = await reservation(this.world.ports, name)
        if (found.ok && found.value.state === 'bound') this.promised.set(name, found.value)
      }
    }
  }

  /** Invariants 1, 4, 21: each promise is there as it was made. */
  private async promisesStand(when: string): Promise<void> {
    const addresses = new Set<string>()
    for (const [name, promise] of this.promised) {
      const found = await reservation(this.world.ports, name)
      const is = found.ok ? found.value : undefined
      expect(
        is && [is.subnet, is.v4IpAddress, is.v6IpAddress, is.macAddress, is.id],
        `${name} after ${when}`,
      ).toEqual([promise.subnet, promise.v4IpAddress, promise.v6IpAddress, promise.macAddress, promise.id])
      expect(['bound', 'stranded']).toContain(is?.state)
      for (const address of [promise.v4IpAddress, promise.v6IpAddress]) {
        if (address === '' || is?.state === 'stranded') continue
        expect(addresses).not.toContain(`${promise.subnet} ${address}`)
        addresses.add(`${promise.subnet} ${address}`)
      }
    }
  }

  private async quiet(): Promise<void> {
    this.weather.heal()
    await this.weather.pass(QUIET_MS)
  }
}

function operationsOf({ ledgers }: Snapshot): string {
  return JSON.stringify(Object.values(ledgers).map(({ op }) => op))
}
