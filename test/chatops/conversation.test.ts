import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { call, get, makeSubnet, post } from '../support/api.ts'
import {
  discord,
  discordPress,
  discordRequest,
  interaction,
  mattermost,
  RESPONSE_URL,
  sendAll,
  slack,
  slackForm,
  slackPress,
  slackRequest,
  telegram,
} from './speak.ts'

/** What Berth sent to a platform by itself. */
const posts: { method: string; url: string; body: Record<string, unknown> }[] = []

beforeAll(async () => {
  await makeSubnet('chat-net', '10.71.0.0/24')
})
beforeEach(() => {
  posts.length = 0
  vi.stubGlobal('fetch', async (request: Request) => {
    posts.push({ method: request.method, url: request.url, body: await request.json() })
    return new Response('ok')
  })
})
afterEach(() => vi.unstubAllGlobals())

const posted = async () => {
  await vi.waitFor(() => expect(posts).not.toEqual([]))
  return posts.shift()
}
const buttonOf = (message: Record<string, unknown>, index = 0) =>
  (message.blocks as { type: string; elements: { value: string; text: { text: string } }[] }[]).find(
    ({ type }) => type === 'actions',
  )?.elements[index]
const textOf = (message: unknown) => JSON.stringify(message).replaceAll('\\n', ' ')

describe('Slack: a conversation', () => {
  it('reserves, asks who, releases after a question, and says so in the place of the question', async () => {
    const reserved = await slack('reserve chat-net shop/db-0 vm because “moving house”')
    expect(reserved).toMatchObject({ status: 200, body: { response_type: 'in_channel' } })
    expect(textOf(reserved.body)).toContain('Reserved for shop/db-0')
    const { v4IpAddress, reason } = (await get('/v1/reservations/db-0.shop')).body
    expect(textOf(reserved.body)).toContain(v4IpAddress)
    expect(reason).toBe('"moving house"')

    const again = await slack('reserve shop/db-0 chat-net VM')
    expect(textOf(again.body)).toContain('reserved already')

    const who = await slack(`who ${v4IpAddress}`)
    expect(who.body.response_type).toBe('ephemeral')
    expect(textOf(who.body)).toContain('shop/db-0 has it')

    const asked = await slack('release shop/db-0')
    expect(asked.body.response_type).toBe('ephemeral')
    expect(textOf(asked.body)).toContain('Release this reservation?')
    expect((await get('/v1/reservations/db-0.shop')).status).toBe(200)

    expect(await slackPress(buttonOf(asked.body)?.value ?? '')).toMatchObject({ status: 200, text: '' })
    const told = await posted()
    expect(told).toMatchObject({ method: 'POST', url: RESPONSE_URL, body: { replace_original: true } })
    expect(textOf(told?.body)).toContain('Released db-0.shop')
    expect((await get('/v1/reservations/db-0.shop')).status).toBe(404)
  })

  it('forgets it when the question is answered with cancel', async () => {
    await slack('reserve chat-net shop/keep')
    const asked = await slack('release keep.shop')
    await slackPress(buttonOf(asked.body, 1)?.value ?? '')
    expect(textOf((await posted())?.body)).toContain('Nothing was done')
    expect((await get('/v1/reservations/keep.shop')).status).toBe(200)
  })

  it('does not release another reservation than the one that was shown', async () => {
    await slack('reserve chat-net shop/twin')
    const asked = await slack('release twin.shop')
    await post('/v1/release', { name: 'twin.shop' })
    await post('/v1/reserve', { subnet: 'chat-net', namespace: 'shop', podName: 'twin' })
    await slackPress(buttonOf(asked.body)?.value ?? '')
    expect(textOf((await posted())?.body)).toContain('not_found')
    expect((await get('/v1/reservations/twin.shop')).status).toBe(200)
  })

  it('offers force under a living owner to those who may', async () => {
    await slack('reserve chat-net shop/alive')
    await call('PUT', '/embedded/pods/shop/alive')
    const asked = await slack('release alive.shop')
    await slackPress(buttonOf(asked.body)?.value ?? '')
    const refused = await posted()
    expect(textOf(refused?.body)).toContain('pod_alive')
    expect(buttonOf(refused?.body ?? {})).toBeUndefined()

    await slackPress(buttonOf(asked.body)?.value ?? '', 'UBOSS')
    const offered = await posted()
    expect(textOf(offered?.body)).toContain('The owner is alive')
    expect(buttonOf(offered?.body ?? {})?.text.text).toBe('Force release')
    // The right is of whoever presses.
    await slackPress(buttonOf(offered?.body ?? {})?.value ?? '', 'U1')
    expect(textOf((await posted())?.body)).toContain('forbidden')
    await slackPress(buttonOf(offered?.body ?? {})?.value ?? '', 'UBOSS')
    expect(textOf((await posted())?.body)).toContain('Released alive.shop')
  })

  it('says what it understood of what it did not', async () => {
    const reply = await slack('reserve chat-net 10.71.0.77')
    expect(reply.body.response_type).toBe('ephemeral')
    expect(textOf(reply.body)).toContain('I understood: reserve, Subnet chat-net, address 10.71.0.77')
  })

  it('reads names that Slack made links of', async () => {
    await slack('reserve chat-net shop/linked')
    expect(textOf((await slack('who <http://linked.shop|linked.shop>')).body)).toContain('shop/linked has it')
  })

  it('helps the unmapped and does nothing else for them', async () => {
    const stranger = { channel_id: 'COTHER', user_id: 'U2' }
    const help = textOf((await slack('help', stranger)).body)
    expect(help).toContain('I reserve IP addresses')
    // What an administrator maps him by.
    for (const id of ['T1', 'COTHER', 'U2']) expect(help).toContain(id)
    for (const sentence of ['list', 'reserve chat-net shop/x', 'who 10.71.0.2', 'nonsense'])
      expect(textOf((await slack(sentence, stranger)).body)).toContain('I do not know you here')
    expect((await get('/v1/reservations/x.shop')).status).toBe(404)
    expect(textOf((await slack('list', { team_id: 'T2' })).body)).toContain('I do not know you here')
  })

  it('keeps to the Subnets of the mapping', async () => {
    expect(textOf((await slack('reserve ovn-default shop/x')).body)).toContain('forbidden')
  })

  it('writes nothing that Slack would act on', async () => {
    const reply = await slack(
      'reserve chat-net shop/marked because <!channel> & *bold* <https://evil.example|here>',
    )
    const written = textOf(reply.body)
    expect(written).not.toMatch(/<!|<http|\*bold\*/)
    expect(written).toContain('&lt;!channel&gt; &amp;')
  })

  // Fault 41: the same delivery twice at once, and again later.
  it('does a delivery once, however often it comes', async () => {
    const request = await slackRequest(slackForm('reserve chat-net shop/once'))
    const [one, two] = await Promise.all([sendAll(request), sendAll(request)])
    const three = await sendAll(request)
    expect(one.status).toBe(200)
    expect([two.text, three.text]).toEqual([one.text, one.text])
    expect(textOf(one.body)).toContain('Reserved for shop/once')
  })
})

describe('Discord: a conversation', () => {
  const embed = (body: { data: { embeds: { title: string; description?: string }[] } }) => body.data.embeds[0]

  it('reserves, asks, releases, and updates its question', async () => {
    const reserved = await discord('reserve chat-net game/srv sts')
    expect(reserved.body).toMatchObject({ type: 4, data: { allowed_mentions: { parse: [] } } })
    expect(reserved.body.data.flags).toBeUndefined()
    expect(embed(reserved.body)?.title).toBe('Reserved for game/srv')

    const asked = await discord('release game/srv')
    expect(asked.body).toMatchObject({ type: 4, data: { flags: 64 } })
    const [row] = asked.body.data.components
    const done = await discordPress(row.components[0].custom_id)
    expect(done.body.type).toBe(7)
    expect(embed(done.body)?.title).toBe('Released srv\\.game'.replace('\\.', '.'))
    expect(done.body.data.components).toEqual([])
    expect((await get('/v1/reservations/srv.game')).status).toBe(404)
  })

  it('escapes its Markdown', async () => {
    const reply = await discord('reserve chat-net game/odd because **loud** [x](https://evil.example) <@7>')
    const written = JSON.stringify(reply.body)
    expect(written).not.toMatch(/\*\*loud|\]\(http|<@7/)
  })
})

it('Telegram: reserves, and says in words what the buttons would', async () => {
  const reserved = await telegram('/reserve chat-net tele/a vm')
  expect(reserved.body).toMatchObject({ method: 'sendMessage', chat_id: -5, parse_mode: 'MarkdownV2' })
  expect(reserved.body.text).toContain('Reserved for tele/a')
  const asked = await telegram('/berth@BerthBot release a.tele')
  expect(asked.body.text).toContain('release a\\.tele confirm')
  const released = await telegram('/release a.tele confirm')
  expect(released.body.text).toContain('Released a\\.tele')
  expect((await telegram('/list', { from: { id: 43, is_bot: false } })).body.text).toContain(
    'I do not know you',
  )
  expect((await telegram('just talking')).body).toEqual({})
})

it('Mattermost: reserves and releases by command', async () => {
  const reserved = await mattermost('reserve chat-net mm/a')
  expect(reserved.body).toMatchObject({ response_type: 'in_channel' })
  expect(reserved.body.text).toContain('Reserved for mm\\/a')
  expect((await mattermost('release a.mm yes')).body.text).toContain('Released a\\.mm')
  expect((await mattermost('list', { channel_id: 'other' })).body.text).toContain('I do not know you')
})

it('Discord: the reason is the end of the sentence, wherever its option comes', async () => {
  const option = (name: string, value: string) => ({ type: 3, name, value })
  const options = [
    option('because', 'moving house'),
    option('subnet', 'chat-net'),
    option('owner', 'game/first'),
  ]
  const data = { name: 'berth', options: [{ type: 1, name: 'reserve', options }] }
  await sendAll(await discordRequest(interaction({ data })))
  const { body } = await get('/v1/reservations/first.game')
  expect(body).toMatchObject({ state: 'bound', reason: 'moving house' })
})
