import {
  type Ask,
  type Caller,
  EVERY_RIGHT,
  type Rights,
  type Verb,
  type Verdict,
} from '../../shared/access/caller.ts'
import type {
  OperationView,
  Permit,
  Reservation,
  ReserveCommand,
  SubnetView,
} from '../../shared/command/types.ts'
import { portName } from '../../shared/kube-ovn/names.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { Berth } from '../berth.ts'
import { withoutNames, withoutNamesIn } from './redact.ts'

/** Questions asked side by side for one group. */
const ASKED_AT_ONCE = 6

/**
 * The Berth of one caller: each verb asks first whether the caller may. Nothing that is not listed here can be reached
 * (a verb that Berth learns must be listed), and whoever may not see a reservation hears that there is none.
 */
export function guarded(berth: Berth, caller: Caller): Berth {
  const { rights, tenant } = caller
  if (rights === EVERY_RIGHT) return berth
  const may = (ask: Ask) => rights.may(ask)
  const after = async <T>(ask: Ask, then: () => Promise<Result<T, Problem>>): Promise<Result<T, Problem>> => {
    const refusal = refusalOf(await may(ask), ask)
    return refusal ? err(refusal) : then()
  }
  const has = async (verb: Verb, { subnet, name, owner }: Reservation) =>
    (await may({ verb, subnet, namespace: owner.namespace, name })) === 'granted'
  const sees = (reservation: Reservation) => has('read', reservation)
  /** Who may write a reservation may see how a write of it goes, even one that somebody else began. */
  const follows = async (reservation: Reservation) =>
    (await sees(reservation)) || (await has('reserve', reservation)) || (await has('release', reservation))
  /** Others' names in refusals are for those who may read the whole Subnet. */
  const told = async (subnet: string, why: Problem) =>
    (await may({ verb: 'read', subnet })) === 'granted' ? why : withoutNames(why)

  /** What each namespace has of a Subnet is for those who may read all of it. */
  const shown = async <T extends { readonly name: string; readonly quotas?: unknown }>(
    view: T,
  ): Promise<T> => {
    if (!view.quotas || (await may({ verb: 'read', subnet: view.name })) === 'granted') return view
    const { quotas: _, ...rest } = view
    return rest as T
  }
  const shownIn = async <T extends SubnetView>(found: Result<T, Problem>) =>
    found.ok ? ok(await shown(found.value)) : found

  return {
    // The API server's own door, which proves itself in its own way and comes before this one.
    mutateIp: berth.mutateIp,
    validateIp: berth.validateIp,
    mutatePod: berth.mutatePod,
    validatePod: berth.validatePod,
    reserve: async (command) => {
      const refusal = await mayReserve(berth, command, rights)
      if (refusal) return { kind: 'refused', problem: refusal }
      const outcome = await berth.reserve(command)
      if (outcome.kind !== 'refused') return outcome
      return { kind: 'refused', problem: await told(subnetOf(command), outcome.problem) }
    },
    validate: async (command) => {
      const refusal = await mayReserve(berth, command, rights)
      if (refusal) return { allowed: false, findings: refusal.findings ?? [] }
      const validation = await berth.validate(command)
      if (validation.allowed || (await may({ verb: 'read', subnet: subnetOf(command) })) === 'granted')
        return validation
      return { ...validation, findings: withoutNamesIn(validation.findings) }
    },
    release: (command) => {
      const verbs: Verb[] = command.force ? ['release', 'force'] : ['release']
      return berth.release({ ...command, permit: judge(verbs, may, command.permit) })
    },
    // It is to reserve for longer.
    renew: (command) => berth.renew({ ...command, permit: judge(['reserve'], may, command.permit) }),
    // To take from one and to give to another: both are asked about.
    transfer: (command) => {
      const { namespace, podName, podType } = command.to
      const permitTo = async (subnet: string) =>
        mayReserve(berth, { ...command, items: [{ subnet, namespace, podName, podType }] }, rights, 'to.')
      const verbs: Verb[] = command.force ? ['transfer', 'force'] : ['transfer']
      return berth.transfer({ ...command, permit: judge(verbs, may, command.permit), permitTo })
    },
    adopt: async (command) => {
      if ('target' in command)
        return berth.adopt({ ...command, permit: judge(['adopt'], may, command.permit) })
      const { subnet, namespace } = command.selection
      const ask: Ask = { verb: 'adopt', subnet, ...(namespace === undefined ? {} : { namespace }) }
      const refusal = refusalOf(await may(ask), ask)
      return refusal ? { kind: 'refused', problem: refusal } : berth.adopt(command)
    },
    // A dry run tells whose addresses they are; a repair writes objects of any namespace.
    repair: async (command) => {
      const { subnet, dryRun } = command
      const ask: Ask = { verb: dryRun ? 'read' : 'configure', ...(subnet === undefined ? {} : { subnet }) }
      const verdict = await may(ask)
      const alsoRead = dryRun ? verdict : await may({ ...ask, verb: 'read' })
      const refusal = refusalOf(verdict, ask) ?? refusalOf(alsoRead, { ...ask, verb: 'read' })
      return refusal ? { kind: 'refused', problem: refusal } : berth.repair(command)
    },
    reservation: async (name, subnet) => {
      const found = await berth.reservation(name, subnet)
      if (!found.ok || (await sees(found.value))) return found
      return err(problem('not_found', `there is no reservation ${name}`, { field: 'name' }))
    },
    reservations: async (filter, page) => {
      const { subnet, namespace } = filter
      const ask: Ask = {
        verb: 'read',
        ...(subnet === undefined ? {} : { subnet }),
        ...(namespace === undefined ? {} : { namespace }),
      }
      const verdict = await may(ask)
      if (verdict === 'granted') return berth.reservations(filter, page)
      if (verdict === 'unknown' || !rights.narrows)
        return err(refusalOf(verdict, ask) ?? problem('forbidden', 'name a namespace you may read'))
      const all = await berth.reservations(filter, page)
      if (!all.ok) return all
      const seen = await Promise.all(all.value.items.map(sees))
      return ok({ ...all.value, items: all.value.items.filter((_, index) => seen[index]) })
    },
    audit: async (query, page) => {
      const { subnet, namespace } = query
      const ask: Ask = {
        verb: 'read',
        ...(subnet === undefined ? {} : { subnet }),
        ...(namespace === undefined ? {} : { namespace }),
      }
      const verdict = await may(ask)
      if (verdict === 'granted') return berth.audit(query, page)
      if (verdict === 'unknown' || !rights.narrows)
        return err(refusalOf(verdict, ask) ?? problem('forbidden', 'name a namespace you may read'))
      const all = await berth.audit(query, page)
      if (!all.ok) return all
      const verdicts = await Promise.all(
        all.value.items.map(({ subnet, namespace, name }) => may({ verb: 'read', subnet, namespace, name })),
      )
      return ok({ ...all.value, items: all.value.items.filter((_, index) => verdicts[index] === 'granted') })
    },
    // Never cut to what the caller may see: a zone with holes would be served, and its serial would be another's.
    zone: (query) => {
      const { subnet, namespace } = query
      const ask: Ask = {
        verb: 'read',
        ...(subnet === undefined ? {} : { subnet }),
        ...(namespace === undefined ? {} : { namespace }),
      }
      return after(ask, () => berth.zone(query))
    },
    operation: async (id) => {
      const found = await berth.operation(id)
      if (!found.ok || (await maySeeOperation(found.value, tenant, follows))) return found
      return err(problem('not_found', `there is no operation ${id}`, { field: 'id' }))
    },
    subnets: async () => {
      const verdict = await may({ verb: 'look' })
      if (verdict !== 'granted' && !rights.narrows)
        return err(refusalOf(verdict, { verb: 'look' }) as Problem)
      const all = await berth.subnets()
      if (!all.ok) return all
      if (verdict === 'granted') return ok(await Promise.all(all.value.map(shown)))
      const verdicts = await Promise.all(all.value.map(({ name }) => may({ verb: 'look', subnet: name })))
      const seen = all.value.filter((_, index) => verdicts[index] === 'granted')
      return ok(await Promise.all(seen.map(shown)))
    },
    subnet: (name) => lookAt(may, name, async () => shownIn(await berth.subnet(name))),
    suggest: (name, wish) => lookAt(may, name, () => berth.suggest(name, wish)),
    // Its answer tells whose addresses they are.
    widenWindow: (name, ranges, context) =>
      after({ verb: 'configure', subnet: name }, () =>
        after({ verb: 'read', subnet: name }, () => berth.widenWindow(name, ranges, context)),
      ),
    putSubnet: (manifest, context) =>
      after({ verb: 'configure', subnet: manifest.metadata.name }, async () => {
        const put = await berth.putSubnet(manifest, context)
        return put.ok ? ok({ ...put.value, subnet: await shown(put.value.subnet) }) : put
      }),
    deleteSubnet: (name, context) =>
      after({ verb: 'configure', subnet: name }, async () =>
        shownIn(await berth.deleteSubnet(name, context)),
      ),
    putOwner: (manifest, context) =>
      after({ verb: 'configure', namespace: manifest.metadata.namespace ?? '' }, () =>
        berth.putOwner(manifest, context),
      ),
    deleteOwner: (ref, context) =>
      after({ verb: 'configure', namespace: ref.namespace }, () => berth.deleteOwner(ref, context)),
    putPool: (manifest, context) => after({ verb: 'configure' }, () => berth.putPool(manifest, context)),
    deletePool: (name, context) => after({ verb: 'configure' }, () => berth.deletePool(name, context)),
    ready: () => berth.ready(),
  }
}

const subnetOf = ({ items: [first] }: ReserveCommand) => first?.subnet ?? ''

/** What stands between a caller and this; undefined where nothing does. */
export function refusalOf(verdict: Verdict, ask: Ask): Problem | undefined {
  if (verdict === 'granted') return undefined
  if (verdict === 'unknown') return problem('unavailable', 'whoever decides about rights does not answer')
  const where = [
    ask.subnet === undefined ? '' : ` in Subnet ${ask.subnet}`,
    ask.namespace === undefined ? '' : ` in namespace ${ask.namespace}`,
  ]
  return problem(
    'forbidden',
    `this caller may not ${ask.verb === 'keys' ? 'manage keys' : ask.verb}${where.join('')}`,
  )
}

/** Every item of a group must be granted; the bad ones are named. Decided before anything is looked up. */
async function mayReserve(
  berth: Berth,
  { items }: Pick<ReserveCommand, 'items'>,
  rights: Rights,
  at = '',
): Promise<Problem | undefined> {
  const providers = new Map<string, Promise<string>>()
  const providerOf = (subnet: string) => {
    const asked =
      providers.get(subnet) ?? berth.subnet(subnet).then((found) => (found.ok ? found.value.provider : 'ovn'))
    providers.set(subnet, asked)
    return asked
  }
  const asks = items.map((item) => async (): Promise<Problem | undefined> => {
    const { subnet, namespace, podName } = item
    const whole: Ask = { verb: 'reserve', subnet, namespace }
    if (!rights.names) return refusalOf(await rights.may(whole), whole)
    const name = item.name ?? portName(podName, namespace, await providerOf(subnet))
    return refusalOf(await rights.may({ ...whole, name }), whole)
  })
  const refusals: (Problem | undefined)[] = []
  for (let start = 0; start < asks.length; start += ASKED_AT_ONCE)
    refusals.push(...(await Promise.all(asks.slice(start, start + ASKED_AT_ONCE).map((ask) => ask()))))
  const unknown = refusals.find((refusal) => refusal?.code === 'unavailable')
  if (unknown) return unknown
  if (refusals.every((refusal) => refusal === undefined)) return undefined
  const findings = await Promise.all(
    refusals.map(async (refusal, item) => {
      const subnet = items[item]?.subnet ?? ''
      return refusal
        ? [
            {
              code: refusal.code,
              message: refusal.detail,
              field: `${at}${await shutOut(rights, subnet)}`,
              ...(items.length > 1 ? { item } : {}),
            },
          ]
        : []
    }),
  )
  const all = findings.flat()
  const [first] = all
  return first && problem(first.code, first.message, { field: first.field, findings: all })
}

/** The field that is not the caller's: of grants, the Subnet where none of them is about it. */
async function shutOut(rights: Rights, subnet: string): Promise<'subnet' | 'namespace'> {
  if (!rights.narrows) return 'namespace'
  return (await rights.may({ verb: 'look', subnet })) === 'granted' ? 'namespace' : 'subnet'
}

/** Judges what was found by the verbs that are about to be done to it, after what the command itself makes of it. */
function judge(verbs: readonly Verb[], may: (ask: Ask) => Promise<Verdict>, before?: Permit): Permit {
  return async (found) => {
    const wished = (await before?.(found)) ?? 'granted'
    if (wished !== 'granted') return wished
    const { subnet, namespace, name } = found
    const on = { subnet, namespace, name }
    const verdicts = await Promise.all(verbs.map((verb) => may({ verb, ...on })))
    if (verdicts.every((verdict) => verdict === 'granted')) return 'granted'
    if (verdicts.includes('unknown')) return 'unknown'
    const seen = await may({ verb: 'read', ...on })
    return seen === 'granted' ? 'refused' : seen === 'unknown' ? 'unknown' : 'unseen'
  }
}

/** One's own, or one whose every reservation concerns the caller. */
async function maySeeOperation(
  view: OperationView,
  tenant: string,
  follows: (reservation: Reservation) => Promise<boolean>,
): Promise<boolean> {
  if (view.tenant === tenant) return true
  if (view.reservations.length === 0) return false
  return (await Promise.all(view.reservations.map(follows))).every(Boolean)
}

async function lookAt<T>(
  may: (ask: Ask) => Promise<Verdict>,
  subnet: string,
  then: () => Promise<Result<T, Problem>>,
): Promise<Result<T, Problem>> {
  const verdict = await may({ verb: 'look', subnet })
  if (verdict === 'unknown') return err(refusalOf(verdict, { verb: 'look' }) as Problem)
  if (verdict === 'granted') return then()
  return err(problem('unknown_subnet', `there is no Subnet ${subnet}`, { field: 'name' }))
}
