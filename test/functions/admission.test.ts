import { describe, expect, it } from 'vitest'
import type { Berth } from '../../functions/berth.ts'
import { allowed, denied, failed, type IpReview } from '../../shared/command/admission/types.ts'
import { problem, problemOf } from '../../shared/problem.ts'
import { fakeDoor } from '../support/fake-berth.ts'
import { PODS, patchIn, type ReviewAnswer, type ReviewParts, reviewOf } from '../support/review.ts'
import { manifest, request } from './call.ts'

const SECRET = 'a-secret-of-thirty-two-characters'
const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1' }, spec: { containers: [] } }

const doorOf = (replaced: Partial<Berth> = {}) =>
  fakeDoor(replaced, 'required', undefined, { secret: SECRET })

async function send(
  door: ReturnType<typeof fakeDoor>,
  path: string,
  body: unknown,
  type = 'application/json',
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  // The API server names the Service, not a loopback host.
  return door.app.fetch(request(path, { body: text, type, origin: 'https://berth.berth.svc' }))
}

async function ask(parts: ReviewParts, replaced: Partial<Berth> = {}, verb = 'mutate', kind = 'ip') {
  const door = doorOf(replaced)
  const reply = await send(door, `/admission/${SECRET}/${verb}/${kind}`, reviewOf(parts))
  expect(reply.status).toBe(200)
  return { answer: (await reply.json()) as ReviewAnswer, calls: door.fake.calls }
}

describe('who may call the admission door', () => {
  const body = reviewOf({ object: manifest() })

  it.for([
    ['no secret configured', {}, `/admission/${SECRET}/mutate/ip`, 403],
    ['no secret configured, none sent', {}, '/admission/mutate/ip', 403],
    ['no secret sent', { secret: SECRET }, '/admission/mutate/ip', 401],
    ['another secret', { secret: SECRET }, `/admission/${SECRET.replace('a', 'b')}/mutate/ip`, 401],
    ['the secret and more', { secret: SECRET }, `/admission/${SECRET}x/mutate/ip`, 401],
    ['the secret in other letters', { secret: SECRET }, `/admission/${SECRET.toUpperCase()}/mutate/ip`, 401],
    ['the secret, escaped', { secret: SECRET }, `/admission/%61${SECRET.slice(1)}/mutate/ip`, 401],
    ['the secret in another place', { secret: SECRET }, `/admission/mutate/ip/${SECRET}`, 401],
    ['the secret as a query', { secret: SECRET }, `/admission/mutate/ip?secret=${SECRET}`, 401],
  ] as const)('%s: refused', async ([, options, path, status]) => {
    const door = fakeDoor({}, 'loopback-anonymous', undefined, options)
    const reply = await send(door, path, body)
    expect(reply.status).toBe(status)
    const text = await reply.text()
    expect(JSON.parse(text)).toMatchObject({ status, instance: '/admission' })
    expect(text.toLowerCase()).not.toContain(SECRET.slice(1, 20))
    expect(door.fake.calls).toEqual([])
    expect(JSON.stringify(door.logged)).not.toContain(SECRET.slice(1, 20))
  })

  it('the secret opens it, whatever ACCESS says of people', async () => {
    const reply = await send(doorOf(), `/admission/${SECRET}/mutate/ip`, body)
    expect(reply.status).toBe(200)
  })

  it('a client certificate opens it, without a secret', async () => {
    const door = fakeDoor({}, 'required', undefined, { certificate: true })
    expect((await send(door, '/admission/validate/ip', body)).status).toBe(200)
  })

  it('no reply and no line of the log repeats the secret, even when the core breaks', async () => {
    const door = doorOf({ mutateIp: () => Promise.reject(new Error('broken')) })
    const reply = await send(door, `/admission/${SECRET}/mutate/ip`, body)
    expect(await reply.text()).not.toContain(SECRET)
    expect(door.logged.map(({ event }) => event)).toEqual(['admission.failed'])
    expect(JSON.stringify(door.logged)).not.toContain(SECRET)
  })
})

describe('what is no review', () => {
  const review = (parts: object) => ({ ...reviewOf({ object: manifest() }), ...parts })
  it.for([
    ['another version', review({ apiVersion: 'admission.k8s.io/v1beta1' }), 400, 'apiVersion'],
    ['another kind', review({ kind: 'ConversionReview' }), 400, 'kind'],
    ['no request', review({ request: undefined }), 400, 'request'],
    ['no uid', reviewOf({ object: manifest(), uid: '' }), 400, 'request.uid'],
    [
      'an operation nobody knows',
      reviewOf({ object: manifest(), operation: 'CONNECT' }),
      400,
      'request.operation',
    ],
    ['a create without its object', reviewOf({}), 400, 'request.object'],
    [
      'an update without the old one',
      reviewOf({ operation: 'UPDATE', object: manifest() }),
      400,
      'request.oldObject',
    ],
    ['a delete without the old one', reviewOf({ operation: 'DELETE' }), 400, 'request.oldObject'],
    ['another resource', reviewOf({ object: manifest(), resource: PODS }), 400, 'request.resource'],
    [
      'a subresource',
      reviewOf({ object: manifest(), request: { subResource: 'status' } }),
      400,
      'request.resource',
    ],
    ['a list', [], 400, 'body'],
    ['half of one', '{"apiVersion":', 400, 'apiVersion'],
    ['too much', `{"a":"${'x'.repeat(4 << 20)}"}`, 413, 'body'],
  ] as const)('%s', async ([, body, status, field]) => {
    const door = doorOf()
    const reply = await send(door, `/admission/${SECRET}/mutate/ip`, body)
    expect(await reply.json()).toMatchObject({ status, field })
    expect(reply.status).toBe(status)
    expect(door.fake.calls).toEqual([])
  })

  it.for([
    ['another door', `/admission/${SECRET}/mutate/node`, 404],
    ['another verb', `/admission/${SECRET}/convert/ip`, 404],
    ['nothing', `/admission/${SECRET}`, 401],
    ['an inherited name', `/admission/${SECRET}/mutate/constructor`, 404],
  ] as const)('%s is not there', async ([, path, status]) => {
    expect((await send(doorOf(), path, {})).status).toBe(status)
  })

  it('reviews are POSTed', async () => {
    const door = doorOf()
    const reply = await door.app.fetch(request(`/admission/${SECRET}/mutate/ip`))
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'POST'])
  })

  it('fields of a later API server are let pass', async () => {
    const { answer } = await ask({ object: manifest(), request: { somethingNew: { a: 1 } } })
    expect(answer.response.allowed).toBe(true)
  })
})

describe('what reaches the core', () => {
  it('is the wish of a created object, with who asks and whether it is a dry run', async () => {
    const object = manifest({}, { v6IpAddress: null, v4IpAddress: '10.16.0.3' })
    const { calls } = await ask({ object, user: 'bob', dryRun: true })
    expect(calls).toHaveLength(1)
    expect(calls[0]?.verb).toBe('mutateIp')
    expect(calls[0]?.with[0]).toMatchObject({
      operation: 'CREATE',
      name: 'web-1.default',
      user: 'bob',
      dryRun: true,
      item: { name: 'web-1.default', subnet: 'ovn-default', podName: 'web-1', v4IpAddress: '10.16.0.3' },
    })
    expect((calls[0]!.with[0] as IpReview).item).not.toHaveProperty('v6IpAddress')
  })

  it.for([
    ['mutate', 'pod', 'mutatePod'],
    ['validate', 'pod', 'validatePod'],
  ] as const)('%s/%s goes to %s', async ([verb, kind, method]) => {
    const { calls } = await ask({ object: POD, resource: PODS, namespace: 'shop' }, {}, verb, kind)
    expect(calls).toMatchObject([{ verb: method, with: [{ namespace: 'shop', object: POD }] }])
  })

  it('an object that Kube-OVN makes for itself is not read as a wish', async () => {
    const object = manifest({ metadata: { name: 'u2o-interconnection.x' } }, { podName: '', namespace: '' })
    const { answer, calls } = await ask({ object })
    expect(answer.response.allowed).toBe(true)
    expect(calls[0]?.with[0]).not.toHaveProperty('item')
  })

  it.for([
    ['no Subnet', { subnet: '' }, 400, 'spec.subnet'],
    ['a Subnet name of 64 characters (D28)', { subnet: 's'.repeat(64) }, 400, 'spec.subnet'],
    ['a podType nobody knows', { podType: 'Deployment' }, 400, 'spec.podType'],
    [
      'ipAddress unlike v4IpAddress',
      { v4IpAddress: '10.16.0.3', ipAddress: '10.16.0.4' },
      400,
      'spec.ipAddress',
    ],
  ] as const)('%s does not, at both doors', async ([, spec, code, field]) => {
    for (const verb of ['mutate', 'validate']) {
      const { answer, calls } = await ask({ object: manifest({}, spec) }, {}, verb)
      expect(answer.response).toMatchObject({
        uid: 'review-1',
        allowed: false,
        status: { code, details: { causes: [{ field }] } },
      })
      expect(answer.response.status?.message).toContain(field)
      expect(calls).toEqual([])
    }
  })
})

describe('the answer', () => {
  it('echoes the uid and carries a JSON Patch in base64', async () => {
    const patch = [{ op: 'add', path: '/spec/v4IpAddress', value: '10.16.0.3' }] as const
    const { answer } = await ask({ object: manifest(), uid: 'u-7' }, { mutateIp: async () => allowed(patch) })
    expect(answer).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'u-7', allowed: true, patchType: 'JSONPatch' },
    })
    expect(patchIn(answer)).toEqual(patch)
  })

  it('has no patch where there is nothing to patch', async () => {
    const { answer } = await ask({ object: manifest() })
    expect(answer.response).toEqual({ uid: 'review-1', allowed: true })
  })

  it.for([
    [problem('address_taken', 'taken', { field: 'v4IpAddress' }), 409, 'Conflict', 'spec.v4IpAddress: taken'],
    [
      problem('out_of_range', 'outside', { field: 'v4IpAddress' }),
      422,
      'Invalid',
      'spec.v4IpAddress: outside',
    ],
    [problem('unknown_subnet', 'no', { field: 'subnet' }), 404, 'NotFound', 'spec.subnet: no'],
    [problem('invalid_name', 'no', { field: 'name' }), 400, 'BadRequest', 'metadata.name: no'],
    [problem('no_capacity', 'full'), 507, undefined, 'full'],
    [
      problemOf([
        { code: 'immutable_field', field: 'spec.podType', message: 'fixed', hint: 'delete it' },
        { code: 'immutable_field', field: 'spec.subnet', message: 'fixed' },
      ]),
      409,
      'Conflict',
      'spec.podType: fixed (delete it); spec.subnet: fixed',
    ],
  ] as const)('a refusal says code, reason and field: %o', async ([why, code, reason, message]) => {
    const { answer } = await ask({ object: manifest() }, { mutateIp: async () => denied(why) })
    expect(answer.response).toMatchObject({ allowed: false, status: { code, message } })
    expect(answer.response.status?.reason).toBe(reason)
  })

  it('tells a retryable refusal when to come again', async () => {
    const why = problem('releasing', 'wait', { retryAfterMs: 1_200 })
    const { answer } = await ask({ object: manifest() }, { mutateIp: async () => denied(why) })
    expect(answer.response.status?.details).toEqual({ retryAfterSeconds: 2 })
  })

  it('cuts warnings to what an API server passes on', async () => {
    const warnings = ['w'.repeat(300), ...Array.from({ length: 30 }, () => 'x'.repeat(250))]
    const { answer } = await ask({ object: manifest() }, { mutateIp: async () => allowed([], warnings) })
    const told = answer.response.warnings ?? []
    expect(told[0]).toHaveLength(256)
    expect(told.every((text) => text.length <= 256)).toBe(true)
    expect(told.join('').length).toBeLessThanOrEqual(4_096)
    expect(told).toHaveLength(16)
  })

  it('warns of what the manifest says and Berth does not heed', async () => {
    const { answer } = await ask({ object: manifest({}, { nodeName: 'n1' }) })
    expect(answer.response.warnings).toEqual(['spec.nodeName was ignored: a reservation has none'])
  })
})

describe('when Berth cannot answer', () => {
  const why = problem('unavailable', 'no answer within 2500 ms', { retryAfterMs: 1_000 })
  it.for([
    ['says so', async () => failed(why)],
    ['breaks', () => Promise.reject(new Error('the object is gone'))],
  ] as const)('an IP object is refused plainly: %s', async ([, mutateIp]) => {
    const { answer } = await ask({ object: manifest() }, { mutateIp })
    expect(answer.response).toMatchObject({ uid: 'review-1', allowed: false, status: { code: 503 } })
    expect(answer.response.status?.message).not.toContain('gone')
  })

  it.for([
    ['says so', async () => failed(why)],
    ['breaks', () => Promise.reject(new Error('the object is gone'))],
  ] as const)('a Pod is left to the failurePolicy: %s', async ([, validatePod]) => {
    const door = doorOf({ validatePod })
    const body = reviewOf({ object: POD, resource: PODS, namespace: 'shop' })
    const reply = await send(door, `/admission/${SECRET}/validate/pod`, body)
    expect(reply.status).toBe(503)
    expect(await reply.json()).toMatchObject({ code: 'unavailable', instance: '/admission' })
  })
})

it('an object without a spec is reviewed as one without', async () => {
  const { spec: _, ...bare } = manifest()
  const { answer, calls } = await ask({
    operation: 'UPDATE',
    object: bare as never,
    oldObject: manifest() as never,
  })
  expect([answer.response, calls.length]).toEqual([expect.objectContaining({ allowed: true }), 1])
  const { object } = calls[0]!.with[0] as IpReview
  expect(object).toMatchObject({ metadata: { name: bare.metadata.name } })
  expect(object).not.toHaveProperty('spec')
})
