import type { Subscriber } from '../../shared/events/deliver.ts'
import type { Http } from '../../shared/http.ts'

/** The way out that reaches public addresses only, whatever a name resolves to; infra/workerd binds it. */
export interface OutwardBindings {
  readonly PUBLIC?: Pick<Fetcher, 'fetch'> | null
}

/** How a subscriber is reached: by PUBLIC, where there is one, unless its target may be inside. */
export function outward(
  { PUBLIC }: OutwardBindings,
  { allowPrivate }: Pick<Subscriber, 'allowPrivate'>,
  anywhere: Http,
): Http {
  return PUBLIC && !allowPrivate ? { fetch: (request) => PUBLIC.fetch(request) } : anywhere
}
