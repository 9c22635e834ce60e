import { describe, expect, it } from 'vitest'
import type { AdoptCommand } from '../../shared/command/types.ts'
import { problem } from '../../shared/problem.ts'
import seedStatic from '../data/seed/02-static.yaml?raw'
import { fakeDoor } from '../support/fake-berth.ts'
import { type CallOptions, call, expectRefusal, json, manifest, yaml } from './call.ts'

const owner = { namespace: 'default', podName: 'web-1', subnet: 'ovn-default' }
const named = { name: 'web-1.default' }

async function commandOf(options: CallOptions, path = '/v1/adopt'): Promise<AdoptCommand> {
  const door = fakeDoor()
  const reply = await call(door, path, options)
  const [first] = door.fake.calls
  if (!first) throw new Error(await reply.text())
  return first.with[0] as AdoptCommand
}

const FORMS: readonly (readonly [string, CallOptions, object])[] = [
  ['a name', json(named), { target: named }],
  ['a name and its Subnet', json({ ...named, subnet: 'a' }), { target: { ...named, subnet: 'a' } }],
  ['an owner', json(owner), { target: owner }],
  ['the seed', yaml(seedStatic), { target: { name: 'pod-static-01.default', subnet: 'ovn-default' } }],
  ['a manifest without name', json(manifest({ metadata: null })), { target: owner }],
  ['a whole Subnet', json({ subnet: 'a' }), { selection: { subnet: 'a' } }],
  ['a namespace', json({ subnet: 'a', namespace: 'b' }), { selection: { subnet: 'a', namespace: 'b' } }],
  [
    'Pods with labels',
    json({ subnet: 'a', namespace: null, selector: { app: 'web', 'a.io/b': '' } }),
    { selection: { subnet: 'a', selector: { app: 'web', 'a.io/b': '' } } },
  ],
]

it.for(FORMS)('adopts %s', async ([, options, terms]) => {
  expect(await commandOf(options)).toMatchObject({ ...terms, dryRun: false })
  expect(await commandOf(options, '/v1/adopt?dryRun=All')).toMatchObject({ ...terms, dryRun: true })
})

const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ['nothing', {}, 'subnet'],
  ['a namespace alone', { namespace: 'a' }, 'subnet'],
  ['a selector that is none', { subnet: 'a', selector: 'app=web' }, 'selector'],
  ['a selector next to a name', { ...named, selector: { app: 'web' } }, 'selector'],
  ['several', { items: [named, named] }, 'body'],
  ['a field nobody knows', { subnet: 'a', force: true }, 'force'],
]

it.for(REFUSED)('refuses %s', async ([, body, field]) => {
  await expectRefusal('/v1/adopt', json(body), { status: 400, code: 'invalid_field', field })
})

describe('the reply', () => {
  it('to one is the reservation, 200', async () => {
    const reply = await call(fakeDoor(), '/v1/adopt', json(named))
    expect([reply.status, ((await reply.json()) as { state: string }).state]).toEqual([200, 'bound'])
  })

  it('to a selection names what became of each', async () => {
    const findings = [{ code: 'contested', field: 'name', message: 'b.default: taken', item: 1 }] as const
    const adopt = async () => ({ kind: 'several', reservations: [], findings }) as const
    const reply = await call(fakeDoor({ adopt }), '/v1/adopt', json({ subnet: 'a' }))
    expect(reply.status).toBe(200)
    expect(await reply.json()).toEqual({ items: [], findings })
  })

  it('spells the field of a refusal', async () => {
    const refused = { kind: 'refused', problem: problem('contested', 'taken', { field: 'podName' }) } as const
    const reply = await call(fakeDoor({ adopt: async () => refused }), '/v1/adopt', json(manifest()))
    expect(await reply.json()).toMatchObject({ code: 'contested', field: 'spec.podName' })
  })
})
