import { parseAddress } from '../../shared/ipam/address.ts'
import { parseMac } from '../../shared/ipam/mac.ts'
import { NAMESPACE, nameComplaint, OBJECT_NAME, SUBNET_NAME } from '../schema/names.ts'
import type { Word } from './words.ts'

/** What one word can be, by its look. */
export type Notion =
  | { readonly is: 'v4' | 'v6' | 'mac'; readonly text: string }
  | { readonly is: 'owner'; readonly namespace: string; readonly podName: string }
  | { readonly is: 'name'; readonly text: string }
  | { readonly is: 'nothing'; readonly why: string }

/** Words that carry a sentence and mean nothing. A Subnet of such a name is written in quotes. */
const FILLERS = new Set([
  'a',
  'an',
  'the',
  'in',
  'on',
  'for',
  'at',
  'from',
  'of',
  'as',
  'with',
  'is',
  'has',
  'ip',
  'address',
  'mac',
  'subnet',
  'please',
])

export const isFiller = ({ text, quoted }: Word) => !quoted && FILLERS.has(text.toLowerCase())

export function notionOf({ text }: Word): Notion {
  const bare = text.replace(/[,;]$/, '')
  const address = parseAddress(bare)
  if (address.ok) return { is: address.value.family === 4 ? 'v4' : 'v6', text: bare }
  if (/^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(bare)) {
    const mac = parseMac(bare.replaceAll('-', ':'))
    return mac.ok
      ? { is: 'mac', text: mac.value }
      : { is: 'nothing', why: `${quoted(bare)} is no unicast MAC` }
  }
  if (/^\d+(?:\.\d+){3}$/.test(bare)) return { is: 'nothing', why: `${quoted(bare)} is no IP address` }
  const [namespace, podName, ...more] = bare.toLowerCase().split('/')
  if (podName !== undefined && namespace !== undefined) {
    if (more.length > 0) return { is: 'nothing', why: `${quoted(bare)} is not one namespace/name` }
    const complaint =
      about('the namespace', nameComplaint(NAMESPACE, namespace)) ??
      about('the name', nameComplaint(OBJECT_NAME, podName))
    return complaint
      ? { is: 'nothing', why: `in ${quoted(bare)} ${complaint}` }
      : { is: 'owner', namespace, podName }
  }
  const name = bare.toLowerCase()
  const complaint = nameComplaint(OBJECT_NAME, name)
  return complaint ? { is: 'nothing', why: `${quoted(bare)} ${complaint}` } : { is: 'name', text: name }
}

const about = (what: string, complaint: string | undefined) => complaint && `${what} ${complaint}`

/** What keeps a name from being a Subnet's. */
export const subnetComplaint = (name: string) => nameComplaint(SUBNET_NAME, name)

/** A caller's word in a reply: quoted, and not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

const BECAUSE = /^(?:because|--reason|reason:|since|cos|cuz)$/i

/** The words before `because`, and what stands behind it as it was written. */
export function splitReason(
  words: readonly Word[],
  sentence: string,
): { readonly words: readonly Word[]; readonly reason?: string } {
  const at = words.findIndex(({ text, quoted }) => !quoted && BECAUSE.test(text))
  const word = words[at]
  if (!word) return { words }
  const reason = sentence
    .slice(word.at + word.text.length)
    .trim()
    .replace(/^of\s+/i, '')
  return { words: words.slice(0, at), ...(reason === '' ? {} : { reason }) }
}
