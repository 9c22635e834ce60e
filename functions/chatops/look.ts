import type { FamilyCount, SubnetView } from '../../shared/command/types.ts'
import type { Berth } from '../berth.ts'
import { cardOf, lineOf, refusedReply } from './cards.ts'
import type { ChatCommand } from './command.ts'
import { find } from './release.ts'
import { type Reply, reply } from './reply.ts'

type Of<V extends ChatCommand['verb']> = Extract<ChatCommand, { verb: V }>

/** What a message shows of a list; the HTTP door has the rest. */
const LIST_LIMIT = 20

export async function who(berth: Berth, { address, mac, named }: Of<'who'>): Promise<Reply> {
  const filter = { ...(address === undefined ? {} : { address }), ...(mac === undefined ? {} : { mac }) }
  const found = named ? await find(berth, named) : await berth.reservations(filter, { limit: LIST_LIMIT })
  if (!found.ok) return refusedReply(found.error)
  const items = 'items' in found.value ? found.value.items : found.value
  const [one, ...more] = items
  if (!one) return reply('info', `Nobody that you may see has ${address ?? mac ?? 'that'}.`)
  if (more.length > 0) return reply('info', `${items.length} reservations`, { lines: items.map(lineOf) })
  return cardOf('info', `${one.owner.namespace}/${one.owner.name} has it`, one)
}

export async function list(berth: Berth, { subnet, namespace }: Of<'list'>): Promise<Reply> {
  const filter = {
    ...(subnet === undefined ? {} : { subnet }),
    ...(namespace === undefined ? {} : { namespace }),
  }
  const page = await berth.reservations(filter, { limit: LIST_LIMIT })
  if (!page.ok) return refusedReply(page.error)
  const { items } = page.value
  const more = page.value.continue === undefined ? '' : ' of more'
  return reply('info', items.length === 0 ? 'No reservations' : `${items.length} reservations${more}`, {
    lines: items.map(lineOf),
  })
}

export async function free(berth: Berth, { subnet, count }: Of<'free'>): Promise<Reply> {
  const suggested = await berth.suggest(subnet, { count, contiguous: false })
  if (!suggested.ok) return refusedReply(suggested.error)
  return reply('info', `Free in ${subnet} now, without a promise`, { lines: [...suggested.value] })
}

export async function status(berth: Berth, { subnet, operation }: Of<'status'>): Promise<Reply> {
  if (operation !== undefined) {
    const view = await berth.operation(operation)
    if (!view.ok) return refusedReply(view.error)
    const { kind, state, phase, reservations, problem } = view.value
    return reply('info', `The ${kind} is ${state}`, {
      facts: [['Phase', phase]],
      lines: [...(problem ? [problem.detail] : []), ...reservations.map(lineOf)],
    })
  }
  if (subnet !== undefined) {
    const view = await berth.subnet(subnet)
    return view.ok ? countsOf(view.value) : refusedReply(view.error)
  }
  const parts = await berth.ready()
  const ready = parts.every((part) => part.ready)
  return reply('info', ready ? 'All parts are ready' : 'Not all parts are ready', {
    lines: parts.map((part) => `${part.part}: ${part.ready ? 'ready' : 'not ready'}, ${part.detail}`),
  })
}

function countsOf({ name, cidrBlock, ledger }: SubnetView): Reply {
  const line = (
    family: string,
    { free, bound, held, releasing, quarantined, foreign, stranded }: FamilyCount,
  ) =>
    `${family}: ${free} free, ${bound} bound, ${held} held, ${releasing} releasing, ${quarantined} cooling down, ${foreign} foreign, ${stranded} stranded`
  return reply('info', `Subnet ${name}`, {
    facts: [['CIDR', cidrBlock]],
    lines: [...(ledger.v4 ? [line('IPv4', ledger.v4)] : []), ...(ledger.v6 ? [line('IPv6', ledger.v6)] : [])],
  })
}
