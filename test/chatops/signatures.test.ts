import { describe, expect, it } from 'vitest'
import { isFromSlack } from '../../functions/chatops/slack.ts'
import { SLACK_SECRET } from '../support/senders.ts'
import {
  discordRequest,
  hmac,
  interaction,
  mattermostRequest,
  nowSeconds,
  type Request,
  sendAll,
  slackForm,
  slackRequest,
  telegramRequest,
} from './speak.ts'

/** Not a word of it may be read before the signature is good: this would be refused as malformed. */
const NOT_FOR_READING = '%%%not a form'

it("Slack: the documentation's own example", async () => {
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
  const headers = new Headers({
    'X-Slack-Request-Timestamp': '1531420618',
    'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  })
  const raw = new TextEncoder().encode(body)
  expect(await isFromSlack(SLACK_SECRET, headers, raw, 1_531_420_618_000)).toBe(true)
  expect(await isFromSlack(SLACK_SECRET, headers, raw, 1_531_420_618_000 + 301_000)).toBe(false)
})

type Change = (request: Request) => Request | Promise<Request>
const header =
  (name: string, change: (value: string) => string | undefined): Change =>
  (request) => {
    const { [name]: value = '', ...rest } = request.headers
    const changed = change(value)
    return { ...request, headers: changed === undefined ? rest : { ...rest, [name]: changed } }
  }

// Fault 79: each refused with 401 before the body is read.
describe('Slack refuses', () => {
  const SIGNATURE = 'X-Slack-Signature'
  const TIME = 'X-Slack-Request-Timestamp'
  it.each<[string, Change]>([
    ['no signature', header(SIGNATURE, () => undefined)],
    ['an empty one', header(SIGNATURE, () => '')],
    ['one cut short', header(SIGNATURE, (value) => value.slice(0, -2))],
    ['one in upper case', header(SIGNATURE, (value) => `v0=${value.slice(3).toUpperCase()}`)],
    ['one without its version', header(SIGNATURE, (value) => value.slice(3))],
    ['one of another version', header(SIGNATURE, (value) => `v1=${value.slice(3)}`)],
    ['two', header(SIGNATURE, (value) => `${value}, ${value}`)],
    ['SHA-1', async (r) => header(SIGNATURE, () => `v0=${'a'.repeat(40)}`)(r)],
    ['no timestamp', header(TIME, () => undefined)],
    ['another timestamp', header(TIME, (value) => String(Number(value) + 1))],
    ['two timestamps', header(TIME, (value) => `${value}, ${value}`)],
    ['another body', (request) => ({ ...request, body: `${request.body}&text=x` })],
    ['the body written anew', (request) => ({ ...request, body: request.body.replaceAll('+', '%20') })],
  ])('%s', async (_, change) => {
    const request = await change(await slackRequest(slackForm('reserve chat-net a/b because of it')))
    const field = SIGNATURE
    expect(await sendAll(request)).toMatchObject({ status: 401, body: { code: 'unauthenticated', field } })
  })

  it.each([
    ['another secret', 0, `${SLACK_SECRET}x`],
    ['an old one', -301, SLACK_SECRET],
    ['one of the future', 305, SLACK_SECRET],
  ])('%s', async (_, seconds, secret) => {
    const request = await slackRequest(NOT_FOR_READING, nowSeconds() + seconds, secret)
    expect(await sendAll(request)).toMatchObject({ status: 401 })
  })

  it('a good signature over nonsense, as nonsense', async () => {
    expect(await sendAll(await slackRequest(NOT_FOR_READING))).toMatchObject({ status: 400 })
  })

  it('to answer anywhere but at Slack', async () => {
    for (const response_url of [
      'https://evil.example/x',
      'http://hooks.slack.com/x',
      'https://a@hooks.slack.com/x',
    ])
      expect(await sendAll(await slackRequest(slackForm('help', { response_url })))).toMatchObject({
        status: 400,
        body: { field: 'response_url', detail: 'response_url does not lead to https://hooks.slack.com' },
      })
  })

  it('a body that is too long', async () => {
    expect(await sendAll(await slackRequest('x'.repeat(300_000)))).toMatchObject({ status: 413 })
  })
})

it('Slack: handshakes', async () => {
  const body = JSON.stringify({ type: 'url_verification', challenge: 'abc' })
  expect(await sendAll(await slackRequest(body))).toMatchObject({ status: 200, body: { challenge: 'abc' } })
  expect(await sendAll(await slackRequest('ssl_check=1&token=x'))).toMatchObject({ status: 200 })
})

describe('Discord refuses', () => {
  const SIGNATURE = 'X-Signature-Ed25519'
  const TIME = 'X-Signature-Timestamp'
  it.each<[string, Change]>([
    ['no signature', header(SIGNATURE, () => undefined)],
    ['one cut short', header(SIGNATURE, (value) => value.slice(0, -2))],
    ['one in upper case', header(SIGNATURE, (value) => value.toUpperCase())],
    ['another', header(SIGNATURE, (value) => `00${value.slice(2)}`)],
    ['two', header(SIGNATURE, (value) => `${value}, ${value}`)],
    ['no timestamp', header(TIME, () => undefined)],
    ['another timestamp', header(TIME, (value) => String(Number(value) + 1))],
    ['another body', (request) => ({ ...request, body: request.body.replace('"type":1', '"type":2') })],
    [
      'the body written anew',
      (request) => ({ ...request, body: JSON.stringify(JSON.parse(request.body), null, 1) }),
    ],
  ])('%s', async (_, change) => {
    const request = await change(await discordRequest({ type: 1 }))
    const field = SIGNATURE
    expect(await sendAll(request)).toMatchObject({ status: 401, body: { code: 'unauthenticated', field } })
  })

  it('an old one over nonsense, before it is read', async () => {
    expect(await sendAll(await discordRequest({}, nowSeconds() - 301, NOT_FOR_READING))).toMatchObject({
      status: 401,
    })
    expect(await sendAll(await discordRequest({}, nowSeconds(), NOT_FOR_READING))).toMatchObject({
      status: 400,
    })
  })

  it('an old one', async () => {
    expect(await sendAll(await discordRequest({ type: 1 }, nowSeconds() - 301))).toMatchObject({
      status: 401,
    })
  })

  it.each<[string, object]>([
    ['a token with a path in it', interaction({ token: '../../x' })],
    ['an unknown type', interaction({ type: 99 })],
    ['an id that is none', interaction({ id: '__proto__' })],
  ])('%s', async (_, said) => {
    expect(await sendAll(await discordRequest(said))).toMatchObject({ status: 400 })
  })
})

it('Discord: a ping is answered with a pong', async () => {
  expect(await sendAll(await discordRequest({ type: 1 }))).toMatchObject({ status: 200, body: { type: 1 } })
})

it.each([telegramRequest('/help'), mattermostRequest('help')])(
  'two tokens are refused: $path',
  async (request) => {
    const [name, value] = Object.entries(request.headers).find(([key]) => key !== 'Content-Type')!
    const headers = { ...request.headers, [name]: `${value}, ${value}` }
    expect(await sendAll({ ...request, headers })).toMatchObject({ status: 401, body: { field: name } })
    const wrong = { ...request.headers, [name]: 'x' }
    expect(await sendAll({ ...request, headers: wrong, body: NOT_FOR_READING })).toMatchObject({
      status: 401,
    })
  },
)

it.each(['', 'telegram-token-of-the-tes', 'TELEGRAM-TOKEN-OF-THE-TEST'])(
  'Telegram refuses the token "%s"',
  async (token) => {
    expect(await sendAll(telegramRequest('/help', {}, token))).toMatchObject({ status: 401 })
  },
)

it.each(['', 'mattermosttokenofthetest1', 'x'])('Mattermost refuses the token "%s"', async (token) => {
  expect(await sendAll(mattermostRequest('help', {}, token))).toMatchObject({ status: 401 })
})

it('a delivery id used for another body is refused', async () => {
  const trigger_id = `T${await hmac('a', String(Math.random()))}`
  expect(await sendAll(await slackRequest(slackForm('help', { trigger_id })))).toMatchObject({ status: 200 })
  expect(await sendAll(await slackRequest(slackForm('status', { trigger_id })))).toMatchObject({
    status: 422,
    body: { code: 'idempotency_mismatch' },
  })
})
