import type { Ask, Rights } from '../../shared/access/caller.ts'
import type { Happening } from '../../shared/events/cloud-event.ts'

/** The Subnet an event is of; undefined where it is a repository that tells. */
export function subnetOf({ space, type }: Pick<Happening, 'space' | 'type'>): string | undefined {
  return type === 'drift' ? undefined : space.slice(space.indexOf('/') + 1)
}

/** The cluster an event is of; what a repository tells is of the default one. */
export function clusterOf({ space, type }: Pick<Happening, 'space' | 'type'>): string {
  return type === 'drift' ? 'default' : space.slice(0, space.indexOf('/'))
}

/**
 * Whether a caller may hear of it. What has an owner is for whoever may read that reservation; a refusal has none and
 * may name others, so it is for readers of the whole Subnet; drift is of all the Subnets of a repository.
 */
export async function sees(rights: Rights, event: Happening): Promise<boolean> {
  return (await rights.may(askOf(event))) === 'granted'
}

function askOf(event: Happening): Ask {
  const subnet = subnetOf(event)
  if (subnet === undefined) return { verb: 'read' }
  const { owner } = JSON.parse(event.data) as { owner?: { namespace?: string } }
  const namespace = owner?.namespace
  if (namespace === undefined) return { verb: 'read', subnet }
  return { verb: 'read', subnet, namespace, name: event.subject }
}
