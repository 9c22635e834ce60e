import type { ClusterFailure, KubeObject } from '../cluster/port.ts'
import type { IpSpec } from '../kube-ovn/ip-object.ts'
import { portName } from '../kube-ovn/names.ts'
import type { Keyed, SeenIp } from '../ledger/port.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { type Budget, TOO_LATE, withinWait } from './budget.ts'
import { follow } from './follow.ts'
import type { CommandPorts } from './ports.ts'
import { UNDECIDED } from './release.ts'
import { DRY_RUN, outcomeOf } from './render.ts'
import { seenIp } from './seen.ts'
import { clusterProblem, learnSubnet } from './subnets.ts'
import type {
  AdoptCommand,
  AdoptOutcome,
  AdoptSelection,
  Permit,
  ReleaseTarget,
  Reservation,
  WriteContext,
  WriteOutcome,
} from './types.ts'

/** Objects adopted side by side. */
const AT_ONCE = 16
/** Objects one call adopts at most. */
const MOST = 1_000
const PAGE = 500

/**
 * Makes IP objects that are there reservations, with the addresses and MACs they have: one, by name or owner, or each of
 * a selection by itself. An object costs a read and a PATCH.
 */
export async function adopt(ports: CommandPorts, command: AdoptCommand): Promise<AdoptOutcome> {
  const { dryRun } = command
  if ('target' in command) {
    const keyed: Keyed = {
      tenant: command.tenant,
      mode: ports.settings.authority,
      ...(command.idempotencyKey === undefined ? {} : { key: command.idempotencyKey }),
      bodyHash: command.bodyHash,
    }
    const { target, permit } = command
    const how = { dryRun, keyed, ...(permit ? { permit } : {}) }
    return withinWait(ports, (budget) => adoptTarget(ports, target, how, budget))
  }
  const untilMs = ports.clock.nowMs() + ports.settings.waitMs
  const objects = await selected(ports, command.selection)
  if (!objects.ok) return { kind: 'refused', problem: objects.error }
  const how = { dryRun, keyed: { tenant: command.tenant, mode: ports.settings.authority, bodyHash: '' } }
  return each(ports, command.selection.subnet, objects.value, how, untilMs)
}

interface How extends Pick<WriteContext, 'dryRun'> {
  readonly keyed: Keyed
  readonly permit?: Permit
}

async function adoptTarget(
  ports: CommandPorts,
  target: ReleaseTarget,
  how: How,
  budget: Budget,
): Promise<WriteOutcome> {
  const name = await nameOf(ports, target)
  if (!name.ok) return { kind: 'refused', problem: name.error }
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'IP', name: name.value } }])
  if (!reply) throw new Error('no reply to one request')
  if (!reply.ok && reply.error.reason !== 'NotFound') {
    return { kind: 'refused', problem: clusterProblem(reply.error) }
  }
  const subnet = reply.ok ? subnetOf(reply.value) : ''
  if (reply.ok && subnet !== '' && (target.subnet === undefined || target.subnet === subnet)) {
    const seen = seenIp(reply.value)
    const { namespace } = seen
    const permission = (await how.permit?.({ id: '', subnet, namespace, name: seen.name })) ?? 'granted'
    if (permission === 'unknown') return { kind: 'refused', problem: UNDECIDED }
    if (permission === 'refused') {
      const detail = `this caller may not adopt ${name.value}`
      return { kind: 'refused', problem: problem('forbidden', detail, { field: 'name' }) }
    }
    if (permission === 'granted') return adoptObject(ports, subnet, seen, how, budget)
    // Whose it is he may not know, nor that it is.
    const unseen = problem('not_found', `there is no IP object ${name.value}`, { field: 'name' })
    return { kind: 'refused', problem: unseen }
  }
  const where = target.subnet === undefined ? '' : ` in Subnet ${target.subnet}`
  const none = problem('not_found', `there is no IP object ${name.value}${where}`, { field: 'name' })
  if (target.subnet === undefined || how.dryRun) return { kind: 'refused', problem: none }
  // The key may know better: what it was told is told again, though the object is gone by now.
  const told = await ports.ledger(target.subnet).refuse(how.keyed, none)
  return told.kind === 'answer' ? outcomeOf(told.answer, ports) : { kind: 'refused', problem: none }
}

async function nameOf(ports: CommandPorts, target: ReleaseTarget): Promise<Result<string, Problem>> {
  if ('name' in target) return ok(target.name)
  const provider = await providerOf(ports, target.subnet)
  return provider.ok ? ok(portName(target.podName, target.namespace, provider.value)) : provider
}

async function providerOf(ports: CommandPorts, subnet: string): Promise<Result<string, Problem>> {
  const known = await ports.ledger(subnet).view()
  if (known) return ok(known.facts.provider)
  const facts = await learnSubnet(ports, subnet)
  return facts.ok ? ok(facts.value.provider) : facts
}

/** Makes one object ours. */
async function adoptObject(
  ports: CommandPorts,
  subnet: string,
  seen: SeenIp,
  { keyed, dryRun }: How,
  budget: Budget,
): Promise<WriteOutcome> {
  const ledger = ports.ledger(subnet)
  const warnings = dryRun ? [DRY_RUN] : []
  let verified = false
  for (;;) {
    if (budget.isTooLate()) return TOO_LATE
    const askedMs = ports.clock.nowMs()
    const opened = await ledger.adopt({ ...keyed, seen, dryRun, verified })
    if (opened.kind === 'unconfigured') {
      if (verified) {
        return {
          kind: 'refused',
          problem: problem('unknown_subnet', `there is no Subnet ${subnet}`, { field: 'subnet' }),
        }
      }
      const learnt = await learnSubnet(ports, subnet)
      if (!learnt.ok) return { kind: 'refused', problem: learnt.error }
      verified = true
      continue
    }
    const told = (answer: Parameters<typeof outcomeOf>[0]) => outcomeOf(answer, ports, warnings)
    const outcome = await follow(ports, ledger, opened, { askedMs, budget, told })
    if (outcome) return outcome
  }
}

/** Each by itself, in name order, as far as the time goes. */
async function each(
  ports: CommandPorts,
  subnet: string,
  objects: readonly SeenIp[],
  how: How,
  untilMs: number,
): Promise<AdoptOutcome> {
  const outcomes = new Map<string, WriteOutcome>()
  const waiting = [...objects]
  const lane = async () => {
    for (let seen = waiting.shift(); seen; seen = waiting.shift()) {
      if (ports.clock.nowMs() >= untilMs) return
      const { name } = seen
      const object = seen
      outcomes.set(name, await withinWait(ports, (budget) => adoptObject(ports, subnet, object, how, budget)))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  const reservations: Reservation[] = []
  const findings: Finding[] = []
  for (const [item, { name }] of objects.entries()) {
    const outcome = outcomes.get(name)
    if (outcome?.kind === 'done') reservations.push(...outcome.reservations)
    else findings.push(findingOf(name, item, outcome))
  }
  return { kind: 'several', reservations, findings }
}

function findingOf(
  name: string,
  item: number,
  outcome: Exclude<WriteOutcome, { kind: 'done' }> | undefined,
): Finding {
  if (outcome?.kind === 'refused') {
    const { code, detail } = outcome.problem
    return { code, field: 'name', message: `${name}: ${detail}`, item }
  }
  const message = outcome
    ? `${name}: operation ${outcome.operation} is under way`
    : `${name}: not in the time there was`
  return { code: 'unavailable', field: 'name', message, hint: 'ask again', item }
}

/**
 * The IP objects meant, in name order; those that say nothing of an address are left to a reserve. `unknown_subnet`
 * where there is no such Subnet, as for one object.
 */
async function selected(
  ports: CommandPorts,
  { subnet, namespace, selector }: AdoptSelection,
): Promise<Result<readonly SeenIp[], Problem>> {
  const provider = await providerOf(ports, subnet)
  if (!provider.ok) return provider
  const names =
    selector === undefined ? ok(undefined) : await podNames(ports, provider.value, selector, namespace)
  if (!names.ok) return names
  const objects: SeenIp[] = []
  for await (const page of pages((token) => ports.cluster.list('IP', { limit: PAGE, ...token }))) {
    if (!page.ok) return err(clusterProblem(page.error))
    for (const object of page.value) {
      const seen = seenIp(object)
      if (subnetOf(object) !== subnet || (namespace !== undefined && seen.namespace !== namespace)) continue
      if (names.value && !names.value.has(seen.name)) continue
      if (seen.v4IpAddress !== '' || seen.v6IpAddress !== '' || seen.ipAddress !== '') objects.push(seen)
    }
  }
  if (objects.length > MOST) {
    return err(problem('too_large', `${objects.length} objects are meant, ${MOST} are adopted in one call`))
  }
  return ok(objects.sort((a, b) => (a.name < b.name ? -1 : 1)))
}

/** Port names of the Pods with these labels; a virtual machine's Pods go by its name where KEEP_VM_IP is on. */
async function podNames(
  ports: CommandPorts,
  provider: string,
  labelSelector: Readonly<Record<string, string>>,
  namespace: string | undefined,
): Promise<Result<ReadonlySet<string>, Problem>> {
  const names = new Set<string>()
  const options = { labelSelector, limit: PAGE, ...(namespace === undefined ? {} : { namespace }) }
  for await (const page of pages((token) => ports.cluster.list('Pod', { ...options, ...token }))) {
    if (!page.ok) return err(clusterProblem(page.error))
    for (const pod of page.value) {
      names.add(portName(ownerName(pod, ports.settings.keepVmIp), pod.metadata.namespace ?? '', provider))
    }
  }
  return ok(names)
}

/** The name a Pod's port goes by [pkg/controller/pod.go:3023-3032, 3114-3121]. */
export function ownerName({ metadata }: KubeObject, keepVmIp: boolean): string {
  const machine = metadata.ownerReferences?.find(
    ({ kind, apiVersion }) => kind === 'VirtualMachineInstance' && apiVersion.startsWith('kubevirt.io/'),
  )
  return machine && keepVmIp ? machine.name : metadata.name
}

type Page = Awaited<ReturnType<CommandPorts['cluster']['list']>>

async function* pages(
  list: (token: { readonly continue?: string }) => Promise<Page>,
): AsyncGenerator<Result<readonly KubeObject[], ClusterFailure>> {
  let token: { readonly continue?: string } | undefined = {}
  while (token) {
    const page: Page = await list(token)
    if (!page.ok) {
      yield page
      return
    }
    yield ok(page.value.items)
    token = page.value.continue === undefined ? undefined : { continue: page.value.continue }
  }
}

function subnetOf(object: KubeObject): string {
  const { subnet } = (object.spec ?? {}) as Partial<IpSpec>
  return typeof subnet === 'string' ? subnet : ''
}
