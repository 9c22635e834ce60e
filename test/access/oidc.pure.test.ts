import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Oidc } from '../../functions/access/oidc.ts'
import { oidcSchema } from '../../functions/access/oidc-settings.ts'
import type { Http } from '../../shared/http.ts'
import { ManualClock } from '../support/clock.ts'

const ISSUER = 'https://issuer.example'
const RULES = [{ claims: { groups: 'team-a' }, verbs: ['reserve'], subnets: ['*'], namespaces: ['a'] }]
const SETTINGS = { issuer: ISSUER, audience: 'berth', rules: RULES }

interface Pair {
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}
let first: Pair
let second: Pair
beforeAll(async () => {
  first = await generateKeyPair('RS256', { extractable: true })
  second = await generateKeyPair('RS256', { extractable: true })
})

/** An issuer that shows these keys now, by kid; counts how often it was asked for them. */
class IssuerStandIn implements Http {
  keys: Record<string, Pair>
  asked = 0
  away = false

  constructor(keys: Record<string, Pair>) {
    this.keys = keys
  }

  async fetch(request: Request): Promise<Response> {
    if (this.away) throw new TypeError('connection refused')
    const { pathname } = new URL(request.url)
    if (pathname === '/.well-known/openid-configuration')
      return Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys` })
    this.asked++
    const keys = Object.entries(this.keys).map(async ([kid, { publicKey }]) => ({
      ...(await exportJWK(publicKey)),
      kid,
      alg: 'RS256',
      use: 'sig',
    }))
    return Response.json({ keys: await Promise.all(keys) })
  }
}

const clock = new ManualClock(Date.now())
const seconds = () => Math.floor(clock.nowMs() / 1000)

interface TokenParts {
  readonly key?: CryptoKey | Uint8Array
  readonly header?: Record<string, unknown>
  readonly claims?: Record<string, unknown>
  /** Extensions the signer knows. */
  readonly crit?: Record<string, boolean>
}

function token({ key, header, claims, crit }: TokenParts = {}): Promise<string> {
  const payload = {
    iss: ISSUER,
    aud: 'berth',
    sub: 'jane',
    exp: seconds() + 300,
    groups: ['team-a', 'team-z'],
    ...claims,
  }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header } as { alg: string })
    .sign(key ?? first.privateKey, crit ? { crit } : {})
}

function oidcOver(http: Http, more: object = {}): Oidc {
  return new Oidc({ cluster: 'default', issuers: oidcSchema.parse([{ ...SETTINGS, ...more }]), http, clock })
}

async function identify(text: string, oidc: Oidc = oidcOver(new IssuerStandIn({ one: first }))) {
  const issuer = oidc.issuerOf(text)
  return issuer ? oidc.identify(text, issuer) : undefined
}

const unsigned = (header: object, claims: object) =>
  `${[header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`

it('a good token is its subject, with the rights its claims give', async () => {
  const found = await identify(await token())
  if (!found?.ok) throw new Error('refused')
  expect(found.value.tenant).toBe(`oidc/${ISSUER}|jane`)
  expect(await found.value.rights.may({ verb: 'reserve', subnet: 's', namespace: 'a' })).toBe('granted')
  expect(await found.value.rights.may({ verb: 'reserve', subnet: 's', namespace: 'b' })).toBe('denied')
})

it.each<[string, Record<string, unknown>]>([
  ['no groups', { groups: undefined }],
  ['another group', { groups: ['team-ab'] }],
  ['a group of another type', { groups: [['team-a']] }],
  ['a claim of the prototype', { groups: undefined, toString: 'team-a' }],
])('a good token with %s may do nothing', async (_, claims) => {
  const found = await identify(await token({ claims }))
  if (!found?.ok) throw new Error('refused')
  expect(await found.value.rights.may({ verb: 'reserve', subnet: 's', namespace: 'a' })).toBe('denied')
})

describe('a hostile token is refused', () => {
  it.each<[string, () => Promise<string> | string]>([
    ['signed by another key', () => token({ key: second.privateKey })],
    [
      'alg none',
      () => unsigned({ alg: 'none', kid: 'one' }, { iss: ISSUER, aud: 'berth', sub: 'j', exp: 9e9 }),
    ],
    [
      'alg None',
      () => unsigned({ alg: 'None', kid: 'one' }, { iss: ISSUER, aud: 'berth', sub: 'j', exp: 9e9 }),
    ],
    [
      'HMAC with the public key as the secret',
      async () =>
        token({ header: { alg: 'HS256' }, key: new TextEncoder().encode(await exportSPKI(first.publicKey)) }),
    ],
    [
      'an algorithm that is not listed',
      async () => {
        const pair = await generateKeyPair('PS256')
        return token({ header: { alg: 'PS256' }, key: pair.privateKey })
      },
    ],
    ['kid of a path', () => token({ header: { kid: '../../../dev/null' } })],
    ['kid with a quote', () => token({ header: { kid: "one' OR '1'='1" } })],
    ['kid of the prototype', () => token({ header: { kid: '__proto__' } })],
    [
      'its own key in the header',
      async () =>
        token({ key: second.privateKey, header: { kid: 'two', jwk: await exportJWK(second.publicKey) } }),
    ],
    [
      'a key set of its own in the header',
      () => token({ key: second.privateKey, header: { kid: 'two', jku: 'https://evil.example/keys' } }),
    ],
    ['a critical extension', () => token({ header: { crit: ['x'], x: 1 }, crit: { x: true } })],
    ['wrong audience', () => token({ claims: { aud: 'vault' } })],
    ['no audience', () => token({ claims: { aud: undefined } })],
    ['no subject', () => token({ claims: { sub: undefined } })],
    ['no expiry', () => token({ claims: { exp: undefined } })],
    ['expired beyond the skew', () => token({ claims: { exp: seconds() - 61 } })],
    ['not yet valid beyond the skew', () => token({ claims: { nbf: seconds() + 62 } })],
    ['cut short', async () => (await token()).slice(0, -2)],
    [
      'another payload',
      async () => {
        const [head, , signature] = (await token()).split('.')
        const payload = { iss: ISSUER, aud: 'berth', sub: 'root', exp: seconds() + 300 }
        return `${head}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${signature}`
      },
    ],
  ])('%s', async (_, make) => {
    expect(await identify(await make())).toMatchObject({ ok: false, error: { code: 'unauthenticated' } })
  })

  it('another issuer: nobody here knows it', async () => {
    expect(await identify(await token({ claims: { iss: 'https://evil.example' } }))).toBeUndefined()
    expect(await identify('not.a.jwt')).toBeUndefined()
  })
})

it.each([
  ['expired within the skew', { exp: -59 }],
  ['not yet valid within the skew', { nbf: 59 }],
])('clocks may differ: %s', async (_, by) => {
  const claims = Object.fromEntries(Object.entries(by).map(([name, s]) => [name, seconds() + s]))
  expect(await identify(await token({ claims }))).toMatchObject({ ok: true })
})

describe('keys', () => {
  it('are fetched once and kept', async () => {
    const http = new IssuerStandIn({ one: first })
    const oidc = oidcOver(http)
    for (let round = 0; round < 3; round++)
      expect(await identify(await token(), oidc)).toMatchObject({ ok: true })
    expect(http.asked).toBe(1)
  })

  it('that an issuer does not show are not asked for again and again', async () => {
    const http = new IssuerStandIn({ one: first })
    const oidc = oidcOver(http)
    await identify(await token(), oidc)
    for (let round = 0; round < 5; round++)
      expect(await identify(await token({ header: { kid: `k${round}` } }), oidc)).toMatchObject({ ok: false })
    expect(http.asked).toBe(1)
  })

  it('of an issuer that is away make the service unavailable, not the token wrong', async () => {
    const http = new IssuerStandIn({ one: first })
    http.away = true
    const oidc = oidcOver(http)
    expect(await identify(await token(), oidc)).toMatchObject({ error: { code: 'unavailable' } })
    http.away = false
    expect(await identify(await token(), oidc)).toMatchObject({ ok: true })
  })
})

describe('the variable OIDC is refused', () => {
  it.each<[string, object]>([
    ['plain http', { issuer: 'http://issuer.example' }],
    ['a password in the address', { issuer: 'https://a:b@issuer.example' }],
    ['a shared secret algorithm', { algorithms: ['HS256'] }],
    ['no algorithm at all', { algorithms: ['none'] }],
    ['no audience', { audience: undefined }],
    ['an empty list of audiences', { audience: [] }],
    ['a rule for every token', { rules: [{ ...RULES[0], claims: {} }] }],
    ['a verb that is none', { rules: [{ ...RULES[0], verbs: ['reserv'] }] }],
    ['a wide skew', { skewSeconds: 3_600 }],
    ['a field that is not known', { audiance: 'x' }],
  ])('%s', (_, more) => {
    expect(oidcSchema.safeParse([{ ...SETTINGS, ...more }]).success).toBe(false)
  })
})

describe('an issuer that takes a new key while Berth runs', () => {
  afterEach(() => void vi.useRealTimers())

  it('is believed with the new key, and with the old one as long as it shows it', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: clock.nowMs() })
    const standIn = new IssuerStandIn({ one: first })
    const oidc = oidcOver(standIn)
    const old = () => token()
    const young = () => token({ key: second.privateKey, header: { kid: 'two' } })
    expect((await identify(await old(), oidc))?.ok).toBe(true)
    standIn.keys = { one: first, two: second }
    // The set is not fetched for every guess of a kid.
    expect((await identify(await young(), oidc))?.ok).toBe(false)
    vi.setSystemTime(clock.nowMs() + 31_000)
    expect((await identify(await young(), oidc))?.ok).toBe(true)
    expect((await identify(await old(), oidc))?.ok).toBe(true)
    standIn.keys = { two: second }
    vi.setSystemTime(clock.nowMs() + 31_000 + 11 * 60_000)
    expect((await identify(await young(), oidc))?.ok).toBe(true)
    expect((await identify(await old(), oidc))?.ok).toBe(false)
  })
})
