import type { PodType } from '../../shared/kube-ovn/names.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { reasonComplaint } from '../schema/names.ts'
import type { ChatCommand, Misunderstanding } from './command.ts'
import { isFiller, notionOf, quoted, splitReason, subnetComplaint } from './notions.ts'
import type { Word } from './words.ts'

const TYPES: Readonly<Record<string, PodType>> = {
  vm: 'VirtualMachine',
  virtualmachine: 'VirtualMachine',
  sts: 'StatefulSet',
  statefulset: 'StatefulSet',
  pod: '',
}

interface Draft {
  subnet?: string
  owner?: { readonly namespace: string; readonly podName: string }
  podType?: PodType
  v4?: string
  v6?: string
  mac?: string
  reason?: string
}

/** `reserve <subnet> <ns>/<name> [vm|sts] [ip] [because …]`, in any order: each word tells by its look what it is. */
export function parseReserve(all: readonly Word[], sentence: string): Result<ChatCommand, Misunderstanding> {
  const { words, reason } = splitReason(all, sentence)
  const draft: Draft = {}
  const refuse = (wrong: string) => err({ wrong, understood: understood(draft) })
  if (reason !== undefined) {
    const complaint = reasonComplaint(reason)
    if (complaint) return refuse(`The reason ${complaint}.`)
    draft.reason = reason
  }
  for (const word of words) {
    const wrong = take(draft, word)
    if (wrong !== undefined) return refuse(wrong)
  }
  const { subnet, owner } = draft
  if (!owner) return refuse('Whose shall it be? Name the owner as namespace/name.')
  if (subnet === undefined) return refuse('In which Subnet?')
  return ok({
    verb: 'reserve',
    subnet,
    ...owner,
    podType: draft.podType ?? '',
    ...(draft.v4 === undefined ? {} : { v4IpAddress: draft.v4 }),
    ...(draft.v6 === undefined ? {} : { v6IpAddress: draft.v6 }),
    ...(draft.mac === undefined ? {} : { macAddress: draft.mac }),
    ...(draft.reason === undefined ? {} : { reason: draft.reason }),
  })
}

/** Puts one word where it belongs; what is wrong with it otherwise. */
function take(draft: Draft, word: Word): string | undefined {
  const lower = word.text.toLowerCase()
  if (!word.quoted && Object.hasOwn(TYPES, lower)) {
    if (draft.podType !== undefined) return `${quoted(word.text)} is a second kind of owner.`
    draft.podType = TYPES[lower] ?? ''
    return undefined
  }
  if (isFiller(word)) return undefined
  const notion = notionOf(word)
  switch (notion.is) {
    case 'nothing':
      return `${notion.why}.`
    case 'owner':
      if (draft.owner) return `${quoted(word.text)} is a second owner.`
      draft.owner = { namespace: notion.namespace, podName: notion.podName }
      return undefined
    case 'v4':
    case 'v6':
    case 'mac':
      if (draft[notion.is] !== undefined) return `${quoted(word.text)} is a second one of its kind.`
      draft[notion.is] = notion.text
      return undefined
    case 'name': {
      const complaint = subnetComplaint(notion.text)
      if (complaint) return `${quoted(word.text)} ${complaint}.`
      if (draft.subnet !== undefined) return `I do not know what ${quoted(word.text)} is for.`
      draft.subnet = notion.text
      return undefined
    }
    default:
      return notion satisfies never
  }
}

function understood(draft: Draft): string[] {
  const kind = draft.podType === '' ? 'Pod' : draft.podType
  return [
    'reserve',
    ...(draft.subnet === undefined ? [] : [`Subnet ${draft.subnet}`]),
    ...(draft.owner === undefined ? [] : [`owner ${draft.owner.namespace}/${draft.owner.podName}`]),
    ...(kind === undefined ? [] : [`kind ${kind}`]),
    ...[draft.v4, draft.v6].flatMap((address) => (address === undefined ? [] : [`address ${address}`])),
    ...(draft.mac === undefined ? [] : [`MAC ${draft.mac}`]),
    ...(draft.reason === undefined ? [] : [`because ${draft.reason}`]),
  ]
}
