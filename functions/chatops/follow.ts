import type { Clock } from '../../shared/clock.ts'
import type { Http } from '../../shared/http.ts'
import type { HookBox } from '../hooks/box.ts'
import { type ChatPorts, converse, type Said } from './converse.ts'
import { type Later, postReply } from './post.ts'
import type { Reply } from './reply.ts'

/** The platforms wait 3 s for a first word; the way there and back, and what comes after it here, want some of it. */
const FIRST_WORD_MS = 1_800
/** A handler that has not ended by then is taken for dead, and the object goes on. */
const HANDLER_MS = 20_000
const LOOK_AGAIN_MS = 2_000
/** Slack takes later words for 30 minutes, Discord for 15. */
const LATER_MS = { slack: 29 * 60_000, discord: 14 * 60_000 } as const

export interface FollowPorts extends ChatPorts {
  readonly box: HookBox
  readonly clock: Clock
  readonly http: Http
}

/** What the object is told to finish. */
export interface ChatJob {
  readonly kind: 'chat'
  readonly said: Said
  readonly later: Later
}

/**
 * The first word within the platform's time: the whole reply, or undefined and the reply comes later.
 * @param cameMs when the request came, wall ms; what was done with it since took of that time
 */
export async function firstWord(
  ports: FollowPorts,
  said: Said,
  later: Later,
  cameMs: number,
  inBackground: (work: Promise<unknown>) => void,
): Promise<Reply | undefined> {
  const working = converse(ports, said)
  const over = new AbortController()
  const gone = Math.max(0, ports.clock.nowMs() - cameMs)
  const late = ports.clock.sleep(FIRST_WORD_MS - gone, over.signal).then(() => undefined)
  const reply = await Promise.race([working, late])
  over.abort()
  if (reply && !reply.waiting) return reply
  // Written down before the platform hears a word, so that a promise of a later one is kept.
  const { box } = ports
  if (reply?.waiting) await follow(box, { ...said, words: { command: reply.waiting } }, later, LOOK_AGAIN_MS)
  else {
    await follow(box, said, later, HANDLER_MS)
    inBackground(working.then((ended) => finish(ports, said, later, ended)))
  }
  return reply
}

/** For a platform that hears nothing in the answer to a button: all of the reply comes later. */
export async function press(
  ports: FollowPorts,
  said: Said,
  later: Later,
  inBackground: (work: Promise<unknown>) => void,
): Promise<void> {
  await follow(ports.box, said, later, HANDLER_MS)
  inBackground(converse(ports, said).then((ended) => finish(ports, said, later, ended)))
}

/** Tells how it ended. What goes on is looked at again. */
export async function finish(ports: FollowPorts, said: Said, later: Later, ended: Reply): Promise<void> {
  const { box, http } = ports
  if (ended.waiting) {
    await follow(box, { ...said, words: { command: ended.waiting } }, later, LOOK_AGAIN_MS)
    return
  }
  if ((await postReply(http, later, ended)) !== 'again') await box.drop(jobId(said))
}

const jobId = ({ platform, delivery }: Said) => `chat/${platform}/${delivery}`

async function follow(box: HookBox, said: Said, later: Later, afterMs: number): Promise<void> {
  const job: ChatJob = { kind: 'chat', said, later }
  await box.later(jobId(said), JSON.stringify(job), afterMs, LATER_MS[later.platform])
}

/** One look by the object: the same command under the same key, which the ledger knows. */
export async function runChatJob(ports: FollowPorts, { said, later }: ChatJob): Promise<'done' | 'again'> {
  const reply = await converse(ports, said)
  if (reply.waiting) return 'again'
  return (await postReply(ports.http, later, reply)) === 'again' ? 'again' : 'done'
}
