import type { Ask, Caller } from '../../shared/access/caller.ts'
import type { WriteContext, WriteOutcome } from '../../shared/command/types.ts'
import type { Berth } from '../berth.ts'
import { hex } from '../reply/hex.ts'
import { cardOf, refusedReply } from './cards.ts'
import type { ChatCommand } from './command.ts'
import { free, list, status, who } from './look.ts'
import { release } from './release.ts'
import { HELP, type Reply, reply } from './reply.ts'

/** Who speaks, and what makes this command different from the next one in the same words. */
export interface Speaker {
  readonly caller: Caller
  /** Names the delivery: repeating it repeats nothing. */
  readonly key: string
  readonly requestId: string
}

/** Does what was asked, with the rights of the speaker (`berth` is guarded), and says how it went. */
export async function execute(berth: Berth, command: ChatCommand, speaker: Speaker): Promise<Reply> {
  switch (command.verb) {
    case 'reserve': {
      const { verb: _, ...item } = command
      const context = await contextOf(command, speaker)
      return reserved(await berth.reserve({ ...context, items: [item] }), command)
    }
    case 'release':
      return release(
        berth,
        command,
        (meant) => contextOf(meant, speaker),
        (ask) => mayForce(speaker, ask),
      )
    case 'who':
      return who(berth, command)
    case 'list':
      return list(berth, command)
    case 'free':
      return free(berth, command)
    case 'status':
      return status(berth, command)
    case 'help':
      return HELP
    default:
      return command satisfies never
  }
}

function reserved(outcome: WriteOutcome, command: ChatCommand): Reply {
  switch (outcome.kind) {
    case 'refused':
      return refusedReply(outcome.problem)
    case 'pending':
      return reply('wait', 'The cluster has not answered yet. The address is held.', {
        facts: [['Operation', outcome.operation]],
        waiting: command,
        operation: outcome.operation,
      })
    case 'done': {
      const [reservation] = outcome.reservations
      if (!reservation) throw new Error('a reserve without a reservation')
      const { namespace, name } = reservation.owner
      const done = outcome.created ? 'Reserved for' : 'It was reserved already for'
      return cardOf('done', `${done} ${namespace}/${name}`, reservation)
    }
    default:
      return outcome satisfies never
  }
}

const mayForce = async ({ caller }: Speaker, ask: Omit<Ask, 'verb'>) =>
  (await caller.rights.may({ verb: 'force', ...ask })) === 'granted'

async function contextOf(command: ChatCommand, { caller, key, requestId }: Speaker): Promise<WriteContext> {
  const body = new TextEncoder().encode(JSON.stringify(command))
  const digest = await crypto.subtle.digest('SHA-256', body)
  return {
    tenant: caller.tenant,
    requestId,
    dryRun: false,
    idempotencyKey: key,
    bodyHash: hex(new Uint8Array(digest)),
  }
}
