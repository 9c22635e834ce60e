import { describe, expect, it } from 'vitest'
import type { ReleaseCommand } from '../../shared/command/types.ts'
import { problem } from '../../shared/problem.ts'
import seedStatic from '../data/seed/02-static.yaml?raw'
import { fakeDoor } from '../support/fake-berth.ts'
import { type CallOptions, call, json, manifest, yaml } from './call.ts'

const owner = { namespace: 'default', podName: 'web-1', subnet: 'ovn-default' }
const named = { name: 'web-1.default' }
const plainTerms = { force: false }

async function termsOf(options: CallOptions): Promise<Partial<ReleaseCommand>> {
  const door = fakeDoor()
  await call(door, '/v1/release', options)
  const { targets, force, reason } = door.fake.calls[0]!.with[0] as ReleaseCommand
  return { targets, force, ...(reason === undefined ? {} : { reason }) }
}

const FORMS: readonly (readonly [string, CallOptions, Partial<ReleaseCommand>])[] = [
  ['a name', json(named), { targets: [named], ...plainTerms }],
  [
    'a name and its Subnet',
    json({ ...named, subnet: 'a' }),
    { targets: [{ ...named, subnet: 'a' }], ...plainTerms },
  ],
  ['an owner', json(owner), { targets: [owner], ...plainTerms }],
  ['an owner with empty name', json({ ...owner, name: '' }), { targets: [owner], ...plainTerms }],
  [
    'with force and reason',
    json({ ...named, force: true, reason: 'old' }),
    { targets: [named], force: true, reason: 'old' },
  ],
  ['with null terms', json({ ...named, force: null, reason: null }), { targets: [named], ...plainTerms }],
  [
    'the seed',
    yaml(seedStatic),
    { targets: [{ name: 'pod-static-01.default', subnet: 'ovn-default' }], ...plainTerms },
  ],
  ['a manifest without name', json(manifest({ metadata: null })), { targets: [owner], ...plainTerms }],
  [
    'a manifest of a name alone, as kubectl delete needs',
    json({ apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: named }),
    { targets: [named], ...plainTerms },
  ],
  [
    'items of all forms with terms',
    json({ items: [named, owner, manifest()], force: true, reason: 'old' }),
    { targets: [named, owner, { ...named, subnet: 'ovn-default' }], force: true, reason: 'old' },
  ],
  [
    'documents',
    yaml(`name: web-1.default\n---\n${seedStatic}`),
    { targets: [named, { name: 'pod-static-01.default', subnet: 'ovn-default' }], ...plainTerms },
  ],
]

it.for(FORMS)('releases %s', async ([, options, terms]) => {
  expect(await termsOf(options)).toEqual(terms)
})

describe('the reply', () => {
  it('is the reservation, 200', async () => {
    const reply = await call(fakeDoor(), '/v1/release', json(named))
    expect(reply.status).toBe(200)
    expect(await reply.json()).toMatchObject({ state: 'free' })
  })

  it('is a list for a list', async () => {
    const reply = await call(fakeDoor(), '/v1/release', json({ items: [named] }))
    expect(await reply.json()).toMatchObject({ items: [{ state: 'free' }] })
  })

  it('spells the field of a refusal', async () => {
    const refused = { kind: 'refused', problem: problem('pod_alive', 'lives', { field: 'podName' }) } as const
    const reply = await call(fakeDoor({ release: async () => refused }), '/v1/release', json(manifest()))
    expect(reply.status).toBe(409)
    expect(await reply.json()).toMatchObject({ code: 'pod_alive', field: 'spec.podName' })
  })

  it('hashes force, too', async () => {
    const hashOf = async (options: CallOptions) => {
      const door = fakeDoor()
      await call(door, '/v1/release', { ...options, headers: { 'Idempotency-Key': 'k1' } })
      return (door.fake.calls[0]!.with[0] as ReleaseCommand).bodyHash
    }
    expect(await hashOf(json(named))).toBe(await hashOf(yaml('name: web-1.default')))
    expect(await hashOf(json(named))).not.toBe(await hashOf(json({ ...named, force: true })))
  })
})
