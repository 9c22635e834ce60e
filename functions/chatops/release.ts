import type { Ask } from '../../shared/access/caller.ts'
import type { Reservation, WriteContext } from '../../shared/command/types.ts'
import type { Problem } from '../../shared/problem.ts'
import type { Result } from '../../shared/result.ts'
import type { Berth } from '../berth.ts'
import { actionValue } from './action.ts'
import { cardOf, lineOf, refusedReply } from './cards.ts'
import type { ChatCommand, Named } from './command.ts'
import { type Action, type Reply, reply } from './reply.ts'

type Release = Extract<ChatCommand, { verb: 'release' }>

/**
 * Asks first, then releases the very reservation that was shown. `force` is offered where the owner lives and the
 * speaker may.
 */
export async function release(
  berth: Berth,
  command: Release,
  contextOf: (command: Release) => Promise<WriteContext>,
  mayForce: (ask: Omit<Ask, 'verb'>) => Promise<boolean>,
): Promise<Reply> {
  if (command.id !== undefined) return carryOut(berth, command, await contextOf(command), mayForce)
  const found = await find(berth, command.target)
  if (!found.ok) return refusedReply(found.error)
  const [one, another] = found.value
  if (!one) return reply('wrong', 'There is no such reservation')
  if (another)
    return reply('wrong', 'There are several of that owner. Say which Subnet.', {
      lines: found.value.map(lineOf),
    })
  const meant = { ...command, target: { name: one.name }, subnet: one.subnet, id: one.id, confirmed: true }
  return command.confirmed
    ? // As it is repeated later, when it was pending: under its key it must say the same.
      carryOut(berth, meant, await contextOf(meant), mayForce)
    : cardOf('ask', 'Release this reservation?', one, {
        actions: [button(one, command.force), CANCEL],
        lines: [],
      })
}

async function carryOut(
  berth: Berth,
  command: Release,
  context: WriteContext,
  mayForce: (ask: Omit<Ask, 'verb'>) => Promise<boolean>,
): Promise<Reply> {
  const { target, subnet, id, force, reason } = command
  if (!('name' in target) || subnet === undefined) throw new Error('a release without its reservation')
  const outcome = await berth.release({
    ...context,
    targets: [{ name: target.name, subnet }],
    force,
    ...(reason === undefined ? {} : { reason }),
    permit: async (found) => (found.id === id ? 'granted' : 'unseen'),
  })
  switch (outcome.kind) {
    case 'pending':
      return reply('wait', `Releasing ${target.name}. The cluster has not answered yet.`, {
        facts: [['Operation', outcome.operation]],
        waiting: command,
        operation: outcome.operation,
      })
    case 'done': {
      const [reservation] = outcome.reservations
      if (!reservation) throw new Error('a release without a reservation')
      return cardOf('done', `Released ${target.name}`, reservation)
    }
    case 'refused': {
      const refused = refusedReply(outcome.problem)
      if (outcome.problem.code !== 'pod_alive') return refused
      const living = await berth.reservation(target.name, subnet)
      if (!living.ok || living.value.id !== id) return refused
      const { name, owner } = living.value
      if (!(await mayForce({ subnet, namespace: owner.namespace, name }))) return refused
      const lines = [
        outcome.problem.detail,
        'Its address will be given to others while it still answers there.',
      ]
      return cardOf('ask', 'The owner is alive. Release all the same?', living.value, {
        actions: [button(living.value, true), CANCEL],
        lines,
      })
    }
    default:
      return outcome satisfies never
  }
}

const CANCEL: Action = { label: 'Cancel', danger: false, value: 'cancel', typed: '' }

function button({ name, subnet, id }: Reservation, force: boolean): Action {
  return {
    label: force ? 'Force release' : 'Release',
    danger: true,
    value: actionValue({ name, subnet, id, force }),
    typed: `release ${name} confirm${force ? ' force' : ''}`,
  }
}

/** The reservations a speaker may mean: one by name, or those of an owner. */
export async function find(berth: Berth, named: Named): Promise<Result<readonly Reservation[], Problem>> {
  if ('name' in named) {
    const one = await berth.reservation(named.name)
    return one.ok ? { ok: true, value: [one.value] } : one
  }
  const page = await berth.reservations(named, { limit: 10 })
  return page.ok ? { ok: true, value: page.value.items } : page
}
