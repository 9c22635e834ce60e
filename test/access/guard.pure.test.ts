import { describe, expect, it } from 'vitest'
import { guarded } from '../../functions/access/guard.ts'
import type { Ask, Verdict } from '../../shared/access/caller.ts'
import { type Grant, grantedRights } from '../../shared/access/grants.ts'
import type { Permit } from '../../shared/command/types.ts'
import { ok } from '../../shared/result.ts'
import { FakeBerth } from '../support/fake-berth.ts'

const CONTEXT = { tenant: 'key/a', requestId: 'r', dryRun: false, bodyHash: '' }
const grant = (...verbs: Grant['verbs']): Grant => ({ verbs, subnets: ['blue'], namespaces: ['a'] })
const FOUND = { id: 'res_1', subnet: 'blue', namespace: 'a', name: 'web.a' }

function guard(grants: readonly Grant[]) {
  const fake = new FakeBerth()
  return { fake, berth: guarded(fake.berth, { tenant: 'key/a', rights: grantedRights(grants) }) }
}
const item = (subnet: string, namespace: string) => ({
  ...{ subnet, namespace, podName: 'web', podType: '' as const },
})
describe('a wish that is not the caller’s names the field', () => {
  it.each<[string, Grant[], [string, string][], string[]]>([
    ['of another Subnet', [grant('reserve')], [['green', 'a']], ['subnet']],
    ['of another namespace', [grant('reserve')], [['blue', 'b']], ['namespace']],
    ['of both', [grant('reserve')], [['green', 'b']], ['subnet']],
    ['that he may only read', [grant('read')], [['blue', 'a']], ['namespace']],
    [
      'in a group',
      [grant('reserve')],
      [
        ['blue', 'a'],
        ['blue', 'b'],
        ['green', 'a'],
      ],
      ['namespace', 'subnet'],
    ],
  ])('%s', async (_, grants, wishes, fields) => {
    const { fake, berth } = guard(grants)
    const outcome = await berth.reserve({ ...CONTEXT, items: wishes.map(([s, n]) => item(s, n)) })
    if (outcome.kind !== 'refused') throw new Error('it was let through')
    const { code, field, findings } = outcome.problem
    expect([code, field]).toEqual(['forbidden', fields[0]])
    expect(findings?.map((one) => one.field)).toEqual(fields)
    expect(fake.calls.filter(({ verb }) => verb === 'reserve')).toEqual([])
  })
})

/** What the command that reached the core says of a row. */
const judged = ({ calls }: FakeBerth, found = FOUND) =>
  (calls[0]!.with[0] as { permit: Permit }).permit(found)

describe('a row that is found', () => {
  it.each<[string, Grant[], string]>([
    ['may be released', [grant('release')], 'granted'],
    ['may be seen', [grant('read')], 'refused'],
    ['is nobody’s business', [grant('reserve')], 'unseen'],
    ['is of another namespace', [{ ...grant('*'), namespaces: ['b'] }], 'unseen'],
    ['is of another Subnet', [{ ...grant('*'), subnets: ['green'] }], 'unseen'],
  ])('%s', async (_, grants, permission) => {
    const { fake, berth } = guard(grants)
    await berth.release({ ...CONTEXT, targets: [{ name: 'web.a' }], force: false })
    expect(await judged(fake)).toBe(permission)
  })

  it('is forced by those who may force', async () => {
    for (const [grants, permission] of [
      [[grant('release', 'force')], 'granted'],
      [[grant('release', 'read')], 'refused'],
    ] as const) {
      const { fake, berth } = guard(grants)
      await berth.release({ ...CONTEXT, targets: [{ name: 'web.a' }], force: true })
      expect(await judged(fake)).toBe(permission)
    }
  })

  it('is what the command itself means, before anybody’s rights', async () => {
    const { fake, berth } = guard([grant('*')])
    await berth.release({
      ...CONTEXT,
      targets: [{ name: 'web.a' }],
      force: false,
      permit: async () => 'unseen',
    })
    expect(await judged(fake)).toBe('unseen')
  })

  it.each<[string, Grant[], string]>([
    ['may be adopted', [grant('adopt')], 'granted'],
    ['may be seen', [grant('read')], 'refused'],
    ['is nobody’s business', [grant('release')], 'unseen'],
  ])('and %s', async (_, grants, permission) => {
    const { fake, berth } = guard(grants)
    await berth.adopt({ ...CONTEXT, target: { name: 'web.a' } })
    expect(await judged(fake)).toBe(permission)
  })
})

describe('a selection to adopt', () => {
  it.each<[string, Grant[], object, boolean]>([
    ['of one’s namespace', [grant('adopt')], { namespace: 'a' }, true],
    ['of another namespace', [grant('adopt')], { namespace: 'b' }, false],
    ['of all namespaces', [grant('adopt')], {}, false],
    ['of all namespaces, with all', [{ ...grant('adopt'), namespaces: ['*'] }], {}, true],
    ['without that verb', [grant('reserve', 'release', 'read')], { namespace: 'a' }, false],
  ])('%s', async (_, grants, more, reaches) => {
    const { fake, berth } = guard(grants)
    const outcome = await berth.adopt({ ...CONTEXT, selection: { subnet: 'blue', ...more } })
    expect(fake.calls).toHaveLength(reaches ? 1 : 0)
    if (!reaches) expect(outcome).toMatchObject({ kind: 'refused', problem: { code: 'forbidden' } })
  })
})

describe('a DNS zone', () => {
  const ZONE = { zone: 'example.org', ttlSeconds: 300, server: 'ns.invalid' }
  it.each<[string, Grant[], object, boolean]>([
    ['of what one may read', [grant('read')], { subnet: 'blue', namespace: 'a' }, true],
    ['of one’s whole Subnet', [grant('read')], { subnet: 'blue' }, false],
    ['of everything', [grant('read')], {}, false],
    ['of everything, with all', [{ verbs: ['read'], subnets: ['*'], namespaces: ['*'] }], {}, true],
    ['without that verb', [grant('reserve')], { subnet: 'blue', namespace: 'a' }, false],
  ])('%s', async (_, grants, more, reaches) => {
    const { fake, berth } = guard(grants)
    const zone = await berth.zone({ ...ZONE, ...more })
    expect(fake.calls).toHaveLength(reaches ? 1 : 0)
    if (!reaches) expect(zone).toMatchObject({ ok: false, error: { code: 'forbidden' } })
  })
})

// Fault 83: whoever decides does not answer.
it('nothing is let through on a doubt', async () => {
  const fake = new FakeBerth()
  const rights = { may: async (_: Ask): Promise<Verdict> => 'unknown', narrows: false, names: false }
  const berth = guarded(fake.berth, { tenant: 'x', rights })
  const item = { subnet: 'blue', namespace: 'a', podName: 'web', podType: '' as const }
  const unavailable = { kind: 'refused', problem: { code: 'unavailable' } }
  expect(await berth.reserve({ ...CONTEXT, items: [item] })).toMatchObject(unavailable)
  expect(await berth.adopt({ ...CONTEXT, selection: { subnet: 'blue' } })).toMatchObject(unavailable)
  expect(await berth.reservations({}, { limit: 1 })).toMatchObject({
    ok: false,
    error: { code: 'unavailable' },
  })
  expect(await berth.subnets()).toMatchObject({ ok: false, error: { code: 'unavailable' } })
  expect(await berth.deletePool('p', CONTEXT)).toMatchObject({ ok: false, error: { code: 'unavailable' } })
  expect(fake.calls).toEqual([])
  await berth.release({ ...CONTEXT, targets: [{ name: 'web.a' }], force: false })
  expect(await judged(fake)).toBe('unknown')
  expect(await berth.reservation('web.a')).toMatchObject({ ok: false, error: { code: 'not_found' } })
})

describe('the quotas of a Subnet', () => {
  const quotas = [{ namespace: 'b', used: 1, limit: 2 }]
  const seenBy = async (grants: readonly Grant[]) => {
    const made = new FakeBerth().berth
    const plain = await made.subnet('blue')
    if (!plain.ok) throw new Error(plain.error.detail)
    const view = { ...plain.value, name: 'blue', quotas }
    const told = {
      subnet: async () => ok(view),
      subnets: async () => ok([view]),
      putSubnet: async () => ok({ created: false, subnet: view }),
      deleteSubnet: async () => ok(view),
    }
    const berth = guarded(new FakeBerth(told).berth, { tenant: 'key/a', rights: grantedRights(grants) })
    const manifest = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: 'blue' } }
    const [one, all, put, deleted] = await Promise.all([
      berth.subnet('blue'),
      berth.subnets(),
      berth.putSubnet(manifest, CONTEXT),
      berth.deleteSubnet('blue', CONTEXT),
    ])
    if (!one.ok || !all.ok || !put.ok || !deleted.ok) throw new Error('refused')
    return [one.value, ...all.value, put.value.subnet, deleted.value].map((each) =>
      'quotas' in each ? each.quotas : undefined,
    )
  }
  const everywhere = (...verbs: Grant['verbs']): Grant => ({ verbs, subnets: ['blue'], namespaces: ['*'] })

  it('are shown to those who may read all of it, and to nobody else', async () => {
    const writes = everywhere('configure')
    expect(await seenBy([writes, everywhere('read')])).toEqual([quotas, quotas, quotas, quotas])
    const narrow = await seenBy([writes, grant('read')])
    expect(narrow).toEqual([undefined, undefined, undefined, undefined])
  })
})
