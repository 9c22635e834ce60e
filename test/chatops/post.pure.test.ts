import { describe, expect, it } from 'vitest'
import { type Later, postReply } from '../../functions/chatops/post.ts'
import { reply } from '../../functions/chatops/reply.ts'

const SLACK = 'https://hooks.slack.com/commands/T1/1/abc'
const DISCORD = 'https://discord.com/api/v10/webhooks/900/token'
const later = (platform: Later['platform'], after: Later['after']): Later => ({
  platform,
  after,
  respondTo: platform === 'slack' ? SLACK : `${DISCORD}/messages/@original`,
})

const PUBLIC = reply('done', 'Reserved for shop/web', { facts: [['Address', '10.0.0.2']] })
const PRIVATE = reply('wrong', 'Address taken', { lines: ['10.0.0.2 is taken'] })

// biome-ignore lint/suspicious/noExplicitAny: messages of two platforms
type Message = { method: string; url: string; body: any }

/** A platform that answers each message with the next status, the last one over and over. */
async function told(to: Later, said: typeof PUBLIC, statuses: (number | 'lost')[] = [200]) {
  const sent: Message[] = []
  const http = {
    fetch: async (request: Request) => {
      sent.push({ method: request.method, url: request.url, body: await request.json() })
      const status = statuses[Math.min(sent.length, statuses.length) - 1]!
      if (status === 'lost') throw new TypeError('lost')
      return new Response(null, { status })
    },
  }
  return { posted: await postReply(http, to, said), sent }
}

describe('Slack, where a message is private or not by itself', () => {
  it.each([
    ['for all', PUBLIC, 'in_channel'],
    ['private', PRIVATE, 'ephemeral'],
  ])('a late result of a command is a message of its own, %s as a quick one', async (_, said, type) => {
    const { sent } = await told(later('slack', 'command'), said)
    expect(sent).toMatchObject([
      {
        method: 'POST',
        url: SLACK,
        body: { response_type: type, replace_original: false, text: said.title },
      },
    ])
  })

  it.each([PUBLIC, PRIVATE])(
    'what a button did stands in the place of the question: $title',
    async (said) => {
      const { sent } = await told(later('slack', 'button'), said)
      expect(sent).toMatchObject([
        { method: 'POST', body: { response_type: 'ephemeral', replace_original: true, text: said.title } },
      ])
    },
  )
})

describe('Discord, where a private first word stays private', () => {
  it('a late result for all is hinted at there and follows as a message of its own', async () => {
    const { posted, sent } = await told(later('discord', 'command'), PUBLIC)
    expect(posted).toBe('posted')
    expect(sent).toMatchObject([
      { method: 'PATCH', url: `${DISCORD}/messages/@original`, body: { embeds: [{ fields: [] }] } },
      { method: 'POST', url: DISCORD, body: { embeds: [{ fields: [{ name: 'Address' }] }] } },
    ])
    for (const { body } of sent) {
      expect(body.embeds[0].title).toBe('Reserved for shop/web')
      expect(body.allowed_mentions).toEqual({ parse: [] })
      expect(body).not.toHaveProperty('flags')
    }
  })

  it.each<[string, Later, typeof PUBLIC]>([
    ['a private late result', later('discord', 'command'), PRIVATE],
    ['what a button did', later('discord', 'button'), PUBLIC],
    ['what a button did not do', later('discord', 'button'), PRIVATE],
  ])('%s changes the first word', async (_, to, said) => {
    const { sent } = await told(to, said)
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({ method: 'PATCH', url: `${DISCORD}/messages/@original` })
    expect(sent[0]?.body.embeds[0].title).toBe(said.title)
    expect(sent[0]?.body).not.toHaveProperty('flags')
  })
})

it.each<[string, Later, typeof PUBLIC, (number | 'lost')[], string, number]>([
  ['Slack is away', later('slack', 'command'), PUBLIC, [503], 'again', 1],
  ['Slack has had enough', later('slack', 'command'), PUBLIC, [404], 'gone', 1],
  ['Discord is away', later('discord', 'command'), PUBLIC, [500], 'again', 1],
  ['Discord does not answer', later('discord', 'command'), PRIVATE, ['lost'], 'again', 1],
  ['Discord has a limit at the second', later('discord', 'command'), PUBLIC, [200, 429], 'again', 2],
  ['the first word was dismissed', later('discord', 'command'), PUBLIC, [404, 200], 'posted', 2],
  ["Discord's time is over", later('discord', 'command'), PUBLIC, [404], 'gone', 2],
  ['a question was dismissed', later('discord', 'button'), PUBLIC, [404], 'gone', 1],
])('where %s', async (_, to, said, statuses, posted, count) => {
  const result = await told(to, said, statuses)
  expect([result.posted, result.sent.length]).toEqual([posted, count])
})
