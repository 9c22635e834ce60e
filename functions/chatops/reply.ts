import type { ChatCommand } from './command.ts'

/**
 * What is said back, in plain words. Each platform draws it in its own form and escapes it by its own rules; nothing in
 * here is markup.
 */
export interface Reply {
  readonly tone: 'done' | 'ask' | 'wait' | 'wrong' | 'info'
  readonly title: string
  /** Name and value. */
  readonly facts: readonly (readonly [string, string])[]
  readonly lines: readonly string[]
  /** Buttons where the platform has them; `typed` says the same in words where it has none. */
  readonly actions: readonly Action[]
  /** For the one who asked; the others need not see it. */
  readonly personal: boolean
  /** The command goes on: repeating this one tells how it ended. */
  readonly waiting?: ChatCommand
  /** Whose end that is: what to ask about where the platform takes no later words. */
  readonly operation?: string
}

export interface Action {
  readonly label: string
  readonly danger: boolean
  /** What pressing it means (action.ts); "" means nothing. */
  readonly value: string
  readonly typed: string
}

export function reply(
  tone: Reply['tone'],
  title: string,
  more: Partial<Omit<Reply, 'tone' | 'title'>> = {},
): Reply {
  return { tone, title, facts: [], lines: [], actions: [], personal: tone !== 'done', ...more }
}

export const HELP = reply(
  'info',
  'I reserve IP addresses. Words come in any order; names that look odd go in quotes.',
  {
    lines: [
      'reserve <subnet> <namespace>/<name> [vm|sts] [address] [because …]',
      'release <name.namespace> or <namespace>/<name> [force] [because …]',
      'who <address, MAC or name>',
      'list [subnet] [namespace/]',
      'free <subnet> [how many]',
      'status [subnet or operation]',
      'help',
    ],
  },
)
