import { err, ok, type Result } from '../../shared/result.ts'
import { reasonComplaint } from '../schema/names.ts'
import type { ChatCommand, Misunderstanding, Named } from './command.ts'
import { isFiller, notionOf, quoted, splitReason, subnetComplaint } from './notions.ts'
import type { Word } from './words.ts'

const FORCE = /^(?:--?)?(?:force|forced)$/i
const CONFIRM = /^(?:--?)?(?:confirm|yes|really)$/i

/** `release <name>|<ns>/<name> [subnet] [confirm] [force] [because …]` */
export function parseRelease(all: readonly Word[], sentence: string): Result<ChatCommand, Misunderstanding> {
  const { words, reason } = splitReason(all, sentence)
  let force = false
  let confirmed = false
  const names: Word[] = []
  for (const word of words) {
    if (!word.quoted && FORCE.test(word.text)) force = true
    else if (!word.quoted && CONFIRM.test(word.text)) confirmed = true
    else if (!isFiller(word)) names.push(word)
  }
  const heard = ['release', ...(force ? ['force'] : []), ...(confirmed ? ['confirm'] : [])]
  const refuse = (wrong: string) => err({ wrong, understood: heard })
  const complaint = reason === undefined ? undefined : reasonComplaint(reason)
  if (complaint) return refuse(`The reason ${complaint}.`)
  const target = parseNamed(names)
  if (typeof target === 'string') return refuse(target)
  return ok({ verb: 'release', target, force, confirmed, ...(reason === undefined ? {} : { reason }) })
}

/** A reservation's name, or its owner and perhaps the Subnet; or what is wrong. */
export function parseNamed(words: readonly Word[]): Named | string {
  const notions = words.map(notionOf)
  const bad = notions.find((notion) => notion.is === 'nothing')
  if (bad?.is === 'nothing') return `${bad.why}.`
  const owner = notions.find((notion) => notion.is === 'owner')
  const names = notions.flatMap((notion) => (notion.is === 'name' ? [notion.text] : []))
  if (words.length === 0) return 'Which one? Name it as name.namespace, or its owner as namespace/name.'
  if (names.length + (owner ? 1 : 0) < words.length)
    return 'Name it as name.namespace, or its owner as namespace/name; who finds it by address.'
  const [first, ...more] = names
  if (owner?.is === 'owner') {
    const complaint = first === undefined ? undefined : subnetComplaint(first)
    if (complaint) return `${quoted(first ?? '')} ${complaint}.`
    if (more.length > 0) return `I do not know what ${quoted(more[0] ?? '')} is for.`
    return {
      namespace: owner.namespace,
      podName: owner.podName,
      ...(first === undefined ? {} : { subnet: first }),
    }
  }
  if (more.length > 0) return `One at a time: ${quoted(first ?? '')} or ${quoted(more[0] ?? '')}?`
  return { name: first ?? '' }
}
