import type { Log } from '../../shared/log.ts'
import { guarded } from '../access/guard.ts'
import type { Berth } from '../berth.ts'
import { parseAction } from './action.ts'
import { type ChatCommand, parseCommand } from './command.ts'
import { execute } from './execute.ts'
import { HELP, type Reply, reply } from './reply.ts'
import { type ChatSettings, type Place, speakerAt } from './settings.ts'

/** Something that was said, or a button that was pressed, by somebody the platform vouches for. */
export interface Said extends Place {
  /** Names this delivery among all of its platform. */
  readonly delivery: string
  readonly words: { readonly text: string } | { readonly button: string } | { readonly command: ChatCommand }
}

export interface ChatPorts {
  readonly settings: ChatSettings
  readonly berth: Berth
  readonly log: Log
}

/** One turn of a conversation: who is it, what is meant, do it. Whoever is not mapped may ask for help only. */
export async function converse({ settings, berth, log }: ChatPorts, said: Said): Promise<Reply> {
  const command = commandOf(said)
  const caller = speakerAt(settings, said)
  if (!caller) {
    if (isHelp(command)) return { ...HELP, facts: placeOf(said) }
    return reply('wrong', 'I do not know you here. Ask for help, or ask an administrator to map you.', {
      facts: placeOf(said),
    })
  }
  if (isHelp(command)) return { ...HELP, facts: placeOf(said) }
  if (command === 'cancel') return reply('info', 'Nothing was done.')
  if (!command.ok) {
    const { wrong, understood } = command.error
    return reply('wrong', wrong, {
      lines: understood.length === 0 ? [] : [`I understood: ${understood.join(', ')}.`],
    })
  }
  const key = `${said.platform}/${said.delivery}`
  try {
    const speaker = { caller, key, requestId: key }
    return await execute(guarded(berth, caller), command.value, speaker)
  } catch (error) {
    log.write('error', 'chat failed', {
      delivery: key,
      error: error instanceof Error ? error.message : 'unknown',
    })
    return reply('wrong', 'Something failed. Whether it was done, who or status can tell.')
  }
}

const isHelp = (command: ReturnType<typeof commandOf>) =>
  command !== 'cancel' && command.ok && command.value.verb === 'help'

/** What an administrator maps by. */
const placeOf = ({ platform, workspace, channel, user }: Said): Reply['facts'] =>
  [
    ['Platform', platform],
    ['Workspace', workspace],
    ['Channel', channel],
    ['User', user],
  ].flatMap(([name = '', value = '']) => (value === '' ? [] : [[name, value] as const]))

function commandOf({ words }: Said): ReturnType<typeof parseCommand> | 'cancel' {
  if ('command' in words) return { ok: true, value: words.command }
  if ('text' in words) return parseCommand(words.text)
  if (words.button === 'cancel') return 'cancel'
  const action = parseAction(words.button)
  return action
    ? { ok: true, value: action }
    : { ok: false, error: { wrong: 'That button is not mine.', understood: [] } }
}
