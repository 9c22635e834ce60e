import type { Clock } from '../clock.ts'
import type { Http } from '../http.ts'
import type { Random } from '../random.ts'
import { cloudEvent } from './cloud-event.ts'
import { type EventStore, LONGEST_DELAY_MS, type Waiting } from './store.ts'
import { webhookHeaders } from './webhook.ts'

export interface Subscriber {
  readonly name: string
  readonly url: string
  /** whsec_<base64> */
  readonly secret: string
  /** Last parts of types; all where it is absent. */
  readonly types?: readonly string[]
  /** Names of Subnets; all where it is absent. */
  readonly subnets?: readonly string[]
  /** The target may be inside: this machine, a private network. */
  readonly allowPrivate?: boolean
}

export interface DeliverParts {
  readonly store: EventStore
  readonly http: Http
  readonly clock: Clock
  readonly random: Random
}

const CALL_LIMIT_MS = 10_000
const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 5 * 60_000
/** An event that nobody took for so long, by elapsed time, is a dead letter. */
export const GIVE_UP_MS = 3 * 86_400_000
const AT_ONCE = 6

/** Tells one subscriber what it may be told now: one event of each space at a time, as long as it goes well. */
export async function deliver(parts: DeliverParts, subscriber: Subscriber, most: number): Promise<void> {
  for (let told = 0; told < most; ) {
    const due = parts.store.due(subscriber.name, parts.clock.nowMs(), AT_ONCE)
    if (due.length === 0) return
    await Promise.all(due.map((event) => tell(parts, subscriber, event)))
    told += due.length
  }
}

async function tell(parts: DeliverParts, subscriber: Subscriber, event: Waiting): Promise<void> {
  const { store, clock } = parts
  if (!isWanted(subscriber, event)) {
    store.told(subscriber.name, event)
    return
  }
  const outcome = await post(parts, subscriber, event)
  const nowMs = clock.nowMs()
  if (outcome === 'taken') store.told(subscriber.name, event)
  else if (event.ageMs >= GIVE_UP_MS) store.gaveUp(subscriber.name, event, outcome.why, nowMs)
  else store.failed(subscriber.name, event, nowMs + waitMs(event.tries, outcome.retryAfterMs, parts.random))
}

export function isWanted(
  { types, subnets }: Subscriber,
  { type, space }: Pick<Waiting, 'type' | 'space'>,
): boolean {
  const subnet = space.slice(space.indexOf('/') + 1)
  return (types?.includes(type) ?? true) && (subnets?.includes(subnet) ?? true)
}

type Outcome = 'taken' | { readonly why: string; readonly retryAfterMs?: number }

/** Any 2xx is a yes. A redirect is none: it could lead anywhere. */
async function post(
  { http, clock }: DeliverParts,
  { url, secret }: Subscriber,
  event: Waiting,
): Promise<Outcome> {
  const body = cloudEvent(event)
  const request = new Request(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'User-Agent': 'berth',
      ...(await webhookHeaders(secret, event.id, clock.nowMs(), body)),
    },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  })
  try {
    const reply = await http.fetch(request)
    await reply.body?.cancel()
    if (reply.status >= 200 && reply.status < 300) return 'taken'
    const seconds = /^\d{1,6}$/.exec(reply.headers.get('Retry-After') ?? '')?.[0]
    return {
      why: `answered ${reply.status}`,
      ...(seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1000 }),
    }
  } catch {
    return { why: 'no reply' }
  }
}

/** Doubling from 5 s to 5 min, a quarter of it by chance, and never sooner than asked for within an hour. */
export function waitMs(tries: number, retryAfterMs: number | undefined, random: Random): number {
  const whole = Math.min(FIRST_WAIT_MS * 2 ** Math.min(tries, 16), LONGEST_WAIT_MS)
  const byChance = ((random.bytes(1)[0] ?? 0) / 256) * (whole / 4)
  return Math.max(whole * 0.75 + byChance, Math.min(retryAfterMs ?? 0, LONGEST_DELAY_MS))
}
