import type { Http } from '../../shared/http.ts'
import { discordMessage } from './discord-message.ts'
import { type Reply, reply as replied } from './reply.ts'
import { slackMessage } from './slack-blocks.ts'

/** Where a later word of the bot goes, and after what. */
export interface Later {
  readonly platform: 'slack' | 'discord'
  readonly respondTo: string
  /** What a button was pressed at is changed; it is the speaker's own, and stays so. */
  readonly after: 'command' | 'button'
}

/** `gone`: nobody will ever take it (the platform's time is over). */
export type Posted = 'posted' | 'gone' | 'again'

const POST_LIMIT_MS = 5_000

/**
 * Says how it ended, to the same people as a quick answer would have. Addresses were checked when they were read.
 *
 * Slack: a command's `response_url` only makes new messages, each private or not by itself (`replace_original` does
 * nothing there [slackapi/bolt-js#2287, bolt-python#1268]); a button's changes the message it stands in.
 *
 * Discord: the first word is private, and no change makes it public [discord/discord-api-docs#2735]. So it is changed, and
 * what is for all is said by a message that follows. The order counts: what follows a deferred answer before it was changed
 * would take its place [discord/discord-api-docs#3466]. Said again, the change does nothing, and what follows may come twice.
 */
export async function postReply(http: Http, later: Later, reply: Reply): Promise<Posted> {
  const { platform, respondTo, after } = later
  if (platform === 'slack') {
    const inPlace = { ...slackMessage({ ...reply, personal: true }), replace_original: true }
    const anew = { ...slackMessage(reply), replace_original: false }
    return post(http, 'POST', respondTo, after === 'button' ? inPlace : anew)
  }
  const forAll = after === 'command' && !reply.personal
  const { flags: _, ...change } = discordMessage(forAll ? replied(reply.tone, reply.title) : reply)
  const changed = await post(http, 'PATCH', respondTo, change)
  // A message that was dismissed cannot be changed; the others are told all the same.
  if (!forAll || changed === 'again') return changed
  return post(http, 'POST', respondTo.replace(/\/messages\/@original$/, ''), discordMessage(reply))
}

async function post(http: Http, method: 'POST' | 'PATCH', to: string, body: object): Promise<Posted> {
  const request = new Request(to, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'manual',
    signal: AbortSignal.timeout(POST_LIMIT_MS),
  })
  try {
    const answer = await http.fetch(request)
    await answer.body?.cancel()
    if (answer.ok) return 'posted'
    return answer.status === 429 || answer.status >= 500 ? 'again' : 'gone'
  } catch {
    return 'again'
  }
}
