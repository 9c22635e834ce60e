import type { Reservation, ReservationPage, WriteOutcome } from '../../shared/command/types.ts'
import type { DoorContext } from '../door.ts'
import { replyJson } from './json.ts'
import { refuse, retryAfter } from './problem.ts'
import { writeYaml, writeYamlList } from './yaml.ts'

/**
 * One reservation as itself, a list as `{items}`; as YAML the IP objects alone.
 * @param list the caller wrote a list, so a list is the answer
 */
export function replyReservations(
  c: DoorContext,
  reservations: readonly Reservation[],
  list: boolean,
  status: 200 | 201 = 200,
): Response {
  const [first] = reservations
  const single = !list && reservations.length === 1 ? first : undefined
  if (c.get('representation') === 'json') return replyJson(c, single ?? { items: reservations }, status)
  // The objects have no room for warnings; kubectl reads them from here [RFC 7234 section 5.5].
  for (const text of new Set(reservations.flatMap(({ warnings }) => warnings))) {
    c.header('Warning', `299 berth ${JSON.stringify(text.replaceAll(/[^\x20-\x7e]/g, '?'))}`, {
      append: true,
    })
  }
  const objects = reservations.map(({ object }) => object)
  const yaml = single ? writeYaml(single.object) : writeYamlList(objects)
  return c.body(yaml, status, { 'Content-Type': c.get('mediaType') })
}

/** A page of a listing; as YAML its token stands where kubectl looks for it. */
export function replyPage(c: DoorContext, page: ReservationPage): Response {
  if (c.get('representation') === 'json') return replyJson(c, page)
  const yaml = writeYamlList(
    page.items.map(({ object }) => object),
    page.continue,
  )
  return c.body(yaml, 200, { 'Content-Type': c.get('mediaType') })
}

/** Where one reservation is found again [RFC 9110 section 15.3.2]. */
function pathOf(prefix: string, [first]: readonly Reservation[]): string | undefined {
  return first && `${prefix}/v1/reservations/${encodeURIComponent(first.object.metadata.name)}`
}

/** 201 or 200 with what was written, 202 with the operation to follow, or the problem. */
export function replyOutcome(c: DoorContext, outcome: WriteOutcome, list: boolean): Response {
  switch (outcome.kind) {
    case 'done':
      if (outcome.created && !list) c.header('Location', pathOf(c.get('prefix'), outcome.reservations))
      return replyReservations(c, outcome.reservations, list, outcome.created ? 201 : 200)
    case 'pending':
      return replyJson(c, { operation: outcome.operation }, 202, {
        Location: `${c.get('prefix')}/v1/operations/${encodeURIComponent(outcome.operation)}`,
        'Retry-After': retryAfter(outcome.retryAfterMs),
      })
    case 'refused':
      return refuse(c, outcome.problem)
  }
}
