import { expect, it } from 'vitest'
import type { ResourceAttributes } from '../../shared/access/reviews.ts'
import { kubernetesReviews } from '../../shared/cluster/kubernetes/reviews.ts'
import { json, NotingClock, ScriptedHttp, TOKEN, URL_OF_API } from '../kubernetes/scripted-http.ts'
import { ManualClock } from '../support/clock.ts'

const USER = { username: 'jane', uid: '7', groups: ['devs'], extra: { scopes: ['a'] } }
const ON: ResourceAttributes = {
  group: 'kubeovn.io',
  resource: 'ips',
  verb: 'create',
  namespace: 'team-a',
  name: 'x.team-a',
}

function over(answer: () => Response | Error | Promise<Response>, audiences?: string[]) {
  const http = new ScriptedHttp(answer)
  const parts = { http, url: URL_OF_API, token: () => TOKEN, clock: new NotingClock() }
  return { http, reviews: kubernetesReviews({ ...parts, ...(audiences ? { audiences } : {}) }) }
}
const access = (status: unknown, code = 201) => json({ kind: 'SubjectAccessReview', status }, code)
const token = (status: unknown, code = 201) => json({ kind: 'TokenReview', status }, code)

// Fault 83: whatever is not a whole yes is no.
it.each<[string, () => Response | Error, string]>([
  ['allowed', () => access({ allowed: true }), 'granted'],
  ['not allowed', () => access({ allowed: false }), 'denied'],
  ['allowed and denied', () => access({ allowed: true, denied: true }), 'denied'],
  ['allowed with an evaluationError', () => access({ allowed: true, evaluationError: 'x' }), 'unknown'],
  ['not allowed with an evaluationError', () => access({ allowed: false, evaluationError: 'x' }), 'unknown'],
  ['"true" as text', () => access({ allowed: 'true' }), 'denied'],
  ['no status', () => json({ kind: 'SubjectAccessReview' }, 201), 'unknown'],
  ['another kind', () => json({ kind: 'Status', status: { allowed: true } }, 201), 'unknown'],
  ['500', () => access({ allowed: true }, 500), 'unknown'],
  ['403 for Berth itself', () => access({ allowed: true }, 403), 'unknown'],
  ['a redirect', () => new Response(null, { status: 302, headers: { location: '/x' } }), 'unknown'],
  ['no JSON', () => new Response('allowed', { status: 201 }), 'unknown'],
  ['a reset', () => new Error('reset'), 'unknown'],
])('an access review that says %s is %s', async (_, answer, verdict) => {
  expect(await over(answer).reviews.may(USER, ON)).toBe(verdict)
})

it('a review that never ends is unknown', async () => {
  const clock = new ManualClock()
  const http = new ScriptedHttp(() => new Promise<Response>(() => {}))
  const reviews = kubernetesReviews({ http, url: URL_OF_API, token: () => TOKEN, clock, limitMs: 3_000 })
  const asked = reviews.may(USER, ON)
  while (clock.sleeping === 0) await Promise.resolve()
  clock.advance(3_000)
  expect(await asked).toBe('unknown')
})

it('asks for the user as the cluster knows him, under its own account', async () => {
  const { http, reviews } = over(() => access({ allowed: true }))
  await reviews.may(USER, ON)
  expect(http.lines).toEqual(['POST /apis/authorization.k8s.io/v1/subjectaccessreviews'])
  expect(http.sent[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`)
  expect(http.sent[0]?.body).toEqual({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user: 'jane', uid: '7', groups: ['devs'], extra: { scopes: ['a'] }, resourceAttributes: ON },
  })
})

it.each<[string, () => Response | Error, unknown]>([
  ['a user', () => token({ authenticated: true, user: USER }), USER],
  ['not authenticated', () => token({ authenticated: false }), 'refused'],
  ['nothing', () => token({}), 'refused'],
  ['authenticated with an error', () => token({ authenticated: true, user: USER, error: 'x' }), 'unknown'],
  ['an error', () => token({ error: 'invalid bearer token' }), 'refused'],
  ['nobody', () => token({ authenticated: true, user: { username: '' } }), 'unknown'],
  ['500', () => token({ authenticated: true, user: USER }, 500), 'unknown'],
  ['a reset', () => new Error('reset'), 'unknown'],
])('a token review that says %s', async (_, answer, who) => {
  expect(await over(answer).reviews.who('a.b.c')).toEqual(who)
})

it.each([
  ['the one asked for', ['berth'], USER],
  ['another', ['vault'], 'refused'],
  ['none, for the server does not know audiences', undefined, 'refused'],
])('a token meant for %s', async (_, audiences, who) => {
  const { http, reviews } = over(() => token({ authenticated: true, user: USER, audiences }), ['berth'])
  expect(await reviews.who('a.b.c')).toEqual(who)
  expect(http.sent[0]?.body).toMatchObject({ spec: { token: 'a.b.c', audiences: ['berth'] } })
})
