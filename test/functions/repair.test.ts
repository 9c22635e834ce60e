import { describe, expect, it } from 'vitest'
import { guarded } from '../../functions/access/guard.ts'
import { type Grant, grantedRights } from '../../shared/access/grants.ts'
import type { RepairCommand, RepairFinding, RepairOutcome } from '../../shared/command/repair/types.ts'
import { problem } from '../../shared/problem.ts'
import { FakeBerth, fakeDoor } from '../support/fake-berth.ts'
import { type CallOptions, call, expectRefusal, json, yaml } from './call.ts'

const POST: CallOptions = { method: 'POST' }

it.for<readonly [string, CallOptions, object]>([
  ['no body', POST, {}],
  ['an empty object', json({}), {}],
  ['a Subnet', json({ subnet: 'blue' }), { subnet: 'blue' }],
  ['a Subnet in YAML', yaml('subnet: blue'), { subnet: 'blue' }],
  ['null for all', json({ subnet: null }), {}],
])('compares what %s says', async ([, options, terms]) => {
  for (const [path, dryRun] of [
    ['/v1/repair', false],
    ['/v1/repair?dryRun=All', true],
  ] as const) {
    const door = fakeDoor()
    const reply = await call(door, path, options)
    expect(reply.status, await reply.clone().text()).toBe(200)
    const { requestId, ...command } = door.fake.calls[0]!.with[0] as RepairCommand
    expect(requestId).toBe(reply.headers.get('X-Request-Id'))
    expect(command).toEqual({ tenant: 'anonymous', dryRun, ...terms })
  }
})

it.for<readonly [string, unknown, string, string]>([
  ['a field nobody knows', { subnets: 'blue' }, 'invalid_field', 'subnets'],
  ['a name that is none', { subnet: 'Blue!' }, 'invalid_name', 'subnet'],
  ['a list', ['blue'], 'invalid_field', 'body'],
])('refuses %s', async ([, body, code, field]) => {
  await expectRefusal('/v1/repair', json(body), { status: 400, code, field })
})

it('refuses a dry run of another kind', async () => {
  await expectRefusal('/v1/repair?dryRun=Some', POST, { status: 400, code: 'invalid_field', field: 'dryRun' })
})

describe('the reply', () => {
  const finding: Omit<RepairFinding, 'outcome'> = {
    ...{ kind: 'label_lost', subnet: 'blue', names: ['a.b'], addresses: ['10.0.0.1'] },
    ...{ differs: 'd', repair: 'r' },
  }
  const answer = async (outcome: RepairOutcome, path = '/v1/repair') => {
    const reply = await call(fakeDoor({ repair: async () => outcome }), path, POST)
    return { reply, body: (await reply.json()) as Record<string, unknown> }
  }
  const compared = (outcome: 'repaired' | 'under_way', dryRun = false): RepairOutcome => ({
    ...{ kind: 'compared', dryRun },
    subnets: [{ subnet: 'blue', findings: [{ ...finding, outcome, operation: 'op_1' }], total: 1 }],
  })

  it('is 200 where all has ended', async () => {
    const { reply, body } = await answer(compared('repaired'))
    expect(reply.status).toBe(200)
    expect(body).toEqual({
      dryRun: false,
      subnets: [
        { subnet: 'blue', total: 1, findings: [{ ...finding, outcome: 'repaired', operation: 'op_1' }] },
      ],
    })
  })

  it('is 202 where some of it is under way, unless nothing was to be done', async () => {
    const { reply } = await answer(compared('under_way'))
    expect([reply.status, reply.headers.get('Retry-After')]).toEqual([202, '1'])
    expect((await answer(compared('under_way', true))).reply.status).toBe(200)
  })

  it('says why a Subnet was not compared, and a finding not mended', async () => {
    const why = problem('rate_limited', 'often')
    const failed = { ...finding, outcome: 'failed', problem: problem('contested', 'c') } as const
    const { body } = await answer({
      ...{ kind: 'compared', dryRun: false },
      subnets: [
        { subnet: 'blue', findings: [], total: 0, problem: why },
        { subnet: 'green', findings: [failed], total: 1 },
      ],
    })
    expect(body).toMatchObject({
      subnets: [
        { problem: { code: 'rate_limited', status: 429 } },
        { findings: [{ problem: { code: 'contested', status: 409, detail: 'c' } }] },
      ],
    })
  })

  it('is the refusal, with when to come again', async () => {
    const { reply, body } = await answer({
      kind: 'refused',
      problem: problem('rate_limited', 'often', { retryAfterMs: 5_500 }),
    })
    expect([reply.status, reply.headers.get('Retry-After'), body.code]).toEqual([429, '6', 'rate_limited'])
  })
})

describe('who may', () => {
  const grant = (subnets: string[], ...verbs: Grant['verbs']): Grant => ({
    verbs,
    subnets,
    namespaces: ['*'],
  })
  it.for<readonly [string, Grant, object, boolean]>([
    ['compare: whoever reads the Subnet', grant(['blue'], 'read'), { subnet: 'blue', dryRun: true }, true],
    ['compare no other', grant(['green'], 'read'), { subnet: 'blue', dryRun: true }, false],
    ['compare all: whoever reads all', grant(['*'], 'read'), { dryRun: true }, true],
    ['compare all with one: nobody', grant(['blue'], 'read'), { dryRun: true }, false],
    ['repair by reading: nobody', grant(['blue'], 'read'), { subnet: 'blue', dryRun: false }, false],
    ['repair unseen: nobody', grant(['blue'], 'configure'), { subnet: 'blue', dryRun: false }, false],
    [
      'repair: whoever configures and reads',
      grant(['blue'], 'configure', 'read'),
      { subnet: 'blue', dryRun: false },
      true,
    ],
    [
      'repair in one namespace: nobody',
      { ...grant(['blue'], 'configure', 'read'), namespaces: ['a'] },
      { subnet: 'blue', dryRun: false },
      false,
    ],
  ])('%s', async ([, rights, terms, reaches]) => {
    const fake = new FakeBerth()
    const berth = guarded(fake.berth, { tenant: 'key/a', rights: grantedRights([rights]) })
    const command = { tenant: 'key/a', requestId: 'r', ...terms } as RepairCommand
    const outcome = await berth.repair(command)
    expect(fake.calls).toHaveLength(reaches ? 1 : 0)
    if (!reaches) expect(outcome).toMatchObject({ kind: 'refused', problem: { code: 'forbidden' } })
  })
})
