import type { PodType } from '../../shared/kube-ovn/names.ts'
import type { Result } from '../../shared/result.ts'
import { err, ok } from '../../shared/result.ts'
import { parseFree, parseList, parseStatus, parseWho } from './look-up.ts'
import { parseRelease } from './release-words.ts'
import { parseReserve } from './reserve-words.ts'
import { tidy, type Word, wordsOf } from './words.ts'

/** What a sentence asks for. One grammar for every platform; docs/chat.md has it in words. */
export type ChatCommand =
  | {
      readonly verb: 'reserve'
      readonly subnet: string
      readonly namespace: string
      readonly podName: string
      readonly podType: PodType
      readonly v4IpAddress?: string
      readonly v6IpAddress?: string
      readonly macAddress?: string
      readonly reason?: string
    }
  | {
      readonly verb: 'release'
      readonly target: Named
      readonly force: boolean
      /** The question was asked and answered already. */
      readonly confirmed: boolean
      /** Subnet and id of the reservation that was shown; another one of that name is not meant. */
      readonly subnet?: string
      readonly id?: string
      readonly reason?: string
    }
  | { readonly verb: 'who'; readonly address?: string; readonly mac?: string; readonly named?: Named }
  | { readonly verb: 'list'; readonly subnet?: string; readonly namespace?: string }
  | { readonly verb: 'free'; readonly subnet: string; readonly count: number }
  | { readonly verb: 'status'; readonly subnet?: string; readonly operation?: string }
  | { readonly verb: 'help' }

/** A reservation by its object's name, or by its owner (which may be in several Subnets). */
export type Named =
  | { readonly name: string }
  | { readonly namespace: string; readonly podName: string; readonly subnet?: string }

/** What was wrong, and what was understood before it went wrong. */
export interface Misunderstanding {
  readonly wrong: string
  readonly understood: readonly string[]
}

/** A sentence longer than this is nobody's. */
const SENTENCE_LIMIT = 2_000

const PARSERS: Readonly<
  Record<string, (words: readonly Word[], sentence: string) => Result<ChatCommand, Misunderstanding>>
> = {
  reserve: parseReserve,
  release: parseRelease,
  who: parseWho,
  list: parseList,
  free: parseFree,
  status: parseStatus,
  help: () => ok({ verb: 'help' }),
}

const ALIASES: Readonly<Record<string, string>> = { whois: 'who', ls: 'list', '?': 'help', '': 'help' }

/** Parses one sentence. Names come out in lower case, for Kubernetes has no others. */
export function parseCommand(text: string): Result<ChatCommand, Misunderstanding> {
  if (text.length > SENTENCE_LIMIT)
    return err({ wrong: `A sentence may have ${SENTENCE_LIMIT} characters.`, understood: [] })
  const sentence = tidy(text)
  const [first, ...rest] = wordsOf(sentence)
  const said = first?.text.toLowerCase().replace(/^\//, '') ?? ''
  const verb = Object.hasOwn(ALIASES, said) ? (ALIASES[said] ?? '') : said
  const parse = Object.hasOwn(PARSERS, verb) ? PARSERS[verb] : undefined
  if (parse) return parse(rest, sentence)
  const near = Object.keys(PARSERS).find((known) => distance(known, said) <= 2)
  const hint = near === undefined ? 'Try help.' : `Did you mean ${near}?`
  return err({
    wrong: `I do not know the word ${JSON.stringify(said.slice(0, 40))}. ${hint}`,
    understood: [],
  })
}

/** Edits between two short words [Levenshtein]. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries())
      next.push(
        Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)),
      )
    row = next
  }
  return row.at(-1) ?? 0
}
