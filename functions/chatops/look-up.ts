import { err, ok, type Result } from '../../shared/result.ts'
import type { ChatCommand, Misunderstanding } from './command.ts'
import { isFiller, notionOf, quoted, subnetComplaint } from './notions.ts'
import { parseNamed } from './release-words.ts'
import type { Word } from './words.ts'

type Parsed = Result<ChatCommand, Misunderstanding>

const FREE_LIMIT = 50

/** `who <ip|mac|name|ns/name>` */
export function parseWho(all: readonly Word[]): Parsed {
  const words = all.filter((word) => !isFiller(word))
  const [first] = words
  const only = words.length === 1 && first ? notionOf(first) : undefined
  if (only?.is === 'v4' || only?.is === 'v6') return ok({ verb: 'who', address: only.text })
  if (only?.is === 'mac') return ok({ verb: 'who', mac: only.text })
  const named = parseNamed(words)
  return typeof named === 'string'
    ? err({ wrong: first ? named : 'Who what? Give an address, a MAC or a name.', understood: ['who'] })
    : ok({ verb: 'who', named })
}

/** `list [subnet] [ns/]` */
export function parseList(all: readonly Word[]): Parsed {
  let subnet: string | undefined
  let namespace: string | undefined
  for (const [index, word] of all.entries()) {
    if (isFiller(word)) continue
    if (!word.quoted && /^(?:namespace|ns)$/i.test(word.text)) continue
    const before = all[index - 1]
    const isNamespace = word.text.endsWith('/') || (before && /^(?:namespace|ns)$/i.test(before.text))
    const text = word.text.replace(/\/$/, '').toLowerCase()
    const complaint = subnetComplaint(text)
    if (complaint) return err({ wrong: `${quoted(word.text)} ${complaint}.`, understood: heard() })
    if (isNamespace) namespace = text
    else if (subnet === undefined) subnet = text
    else return err({ wrong: `I do not know what ${quoted(word.text)} is for.`, understood: heard() })
  }
  return ok({
    verb: 'list',
    ...(subnet === undefined ? {} : { subnet }),
    ...(namespace === undefined ? {} : { namespace }),
  })
  function heard(): string[] {
    return ['list', ...(subnet ? [`Subnet ${subnet}`] : []), ...(namespace ? [`namespace ${namespace}`] : [])]
  }
}

/** `free <subnet> [n]`, n up to 50 */
export function parseFree(all: readonly Word[]): Parsed {
  let subnet: string | undefined
  let count: number | undefined
  for (const word of all) {
    if (isFiller(word)) continue
    const heard = ['free', ...(subnet ? [`Subnet ${subnet}`] : []), ...(count ? [`${count} addresses`] : [])]
    const refuse = (wrong: string) => err({ wrong, understood: heard })
    if (!word.quoted && /^[+-]?\d+$/.test(word.text)) {
      const number = Number(word.text)
      if (count !== undefined) return refuse(`${quoted(word.text)} is a second number.`)
      if (number < 1 || number > FREE_LIMIT) return refuse(`I show 1 to ${FREE_LIMIT} addresses.`)
      count = number
      continue
    }
    const name = word.text.toLowerCase()
    const complaint = subnetComplaint(name)
    if (complaint) return refuse(`${quoted(word.text)} ${complaint}.`)
    if (subnet !== undefined) return refuse(`I do not know what ${quoted(word.text)} is for.`)
    subnet = name
  }
  if (subnet === undefined) return err({ wrong: 'In which Subnet?', understood: ['free'] })
  return ok({ verb: 'free', subnet, count: count ?? 1 })
}

/** `status [subnet|operation]` */
export function parseStatus(all: readonly Word[]): Parsed {
  const [word, extra] = all.filter((one) => !isFiller(one))
  if (extra) return err({ wrong: `I do not know what ${quoted(extra.text)} is for.`, understood: ['status'] })
  if (!word) return ok({ verb: 'status' })
  if (/^op_[0-9a-z._~-]{1,400}$/i.test(word.text))
    return ok({ verb: 'status', operation: word.text.toLowerCase() })
  const subnet = word.text.toLowerCase()
  const complaint = subnetComplaint(subnet)
  if (complaint) return err({ wrong: `${quoted(word.text)} ${complaint}.`, understood: ['status'] })
  return ok({ verb: 'status', subnet })
}
