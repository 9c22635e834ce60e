import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { Call, Evidence } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'
import type { Holding, SharedSpacePort, Taken } from '../spaces/port.ts'

/** The shared space that a Subnet is a member of, as that member; undefined where it is none. */
export type SharedSpaces = (subnet: string) => SharedSpacePort | undefined

/** Whether OVN is asked, too. */
export function asksOvn({ provider }: LeaseView, settings: { readonly ovn: boolean }): boolean {
  return settings.ovn && isOvnProvider(provider)
}

export function holdingOf({ id, name, v4, v6, mac }: LeaseView): Holding {
  return { id, name, addresses: [v4, v6].filter((address) => address !== ''), mac }
}

/** Takes what these rows have been given; nothing is in the way of one without a shared space. */
export async function takeVacant(
  spaces: SharedSpaces | undefined,
  asked: readonly { readonly call: Call; readonly lease: LeaseView }[],
): Promise<ReadonlyMap<Call, Evidence>> {
  const evidence = new Map<Call, Evidence>()
  const [first] = asked
  const space = first && spaces?.(first.lease.subnet)
  if (!space) return evidence
  const answers = await space.take(asked.map(({ lease }) => holdingOf(lease))).catch(() => undefined)
  for (const [index, { call }] of asked.entries()) {
    const met = takenEvidence(call.item, answers?.[index])
    if (met) evidence.set(call, met)
  }
  return evidence
}

/** Undefined: it is taken, for us. */
function takenEvidence(item: number, answer: Taken | undefined): Evidence | undefined {
  if (!answer) return { item, result: 'later' }
  if (answer.result === 'taken') return undefined
  const { by, others } = answer
  const away = by.member.slice(0, by.member.indexOf('/'))
  const what = by.what === 'mac' ? 'mac' : by.value.includes(':') ? 'v6' : 'v4'
  return { item, result: 'held', by: by.name, away, what, ...(others ? { others } : {}) }
}
