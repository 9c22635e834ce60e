import { describe, expect, it } from 'vitest'
import { problem } from '../../shared/problem.ts'
import { err, ok } from '../../shared/result.ts'
import { fakeDoor, granted, SUBNET } from '../support/fake-berth.ts'
import { call, ITEM, json } from './call.ts'

/** Who asks, in every write. */
const BY = expect.objectContaining({ tenant: 'anonymous', dryRun: false })

const OPERATION = 'op_0123456789abcdefghjkmn_default~ovn-default'

describe('reservations', () => {
  it('hand on every filter', async () => {
    const door = fakeDoor()
    const query =
      'subnet=ovn-default&namespace=default&podName=a&state=bound&address=fd00::3&mac=00:00:00:4D:B4:36&limit=1000&continue=x'
    await call(door, `/v1/reservations?${query}`)
    expect(door.fake.calls[0]?.with).toEqual([
      {
        subnet: 'ovn-default',
        namespace: 'default',
        podName: 'a',
        state: 'bound',
        address: 'fd00::3',
        mac: '00:00:00:4D:B4:36',
      },
      { limit: 1000, continue: 'x' },
    ])
  })

  it('are asked for as contested, whatever their state', async () => {
    const door = fakeDoor()
    expect((await call(door, '/v1/reservations?state=contested')).status).toBe(200)
    expect(door.fake.calls[0]?.with[0]).toEqual({ state: 'contested' })
    expect((await call(door, '/v1/reservations?state=contest')).status).toBe(400)
  })

  it('come 100 at a time', async () => {
    const door = fakeDoor()
    const reply = await call(door, '/v1/reservations')
    expect(door.fake.calls[0]?.with).toEqual([{}, { limit: 100 }])
    expect(await reply.json()).toMatchObject({ items: [{ state: 'bound' }], continue: 'next' })
  })

  it('are looked up by name', async () => {
    const door = fakeDoor()
    expect((await call(door, '/v1/reservations/web-1.default')).status).toBe(200)
    await call(door, '/v1/reservations/web-1.default?subnet=lab')
    expect(door.fake.calls.map((made) => made.with)).toEqual([
      ['web-1.default', undefined],
      ['web-1.default', 'lab'],
    ])
  })

  it('that are not there are 404', async () => {
    const door = fakeDoor({ reservation: async () => err(problem('not_found', 'none')) })
    const reply = await call(door, '/v1/reservations/web-1.default')
    expect(reply.status).toBe(404)
    expect(await reply.json()).toMatchObject({
      code: 'not_found',
      instance: '/v1/reservations/web-1.default',
    })
  })

  it('answer HEAD without a body', async () => {
    const reply = await call(fakeDoor(), '/v1/reservations/web-1.default', { method: 'HEAD' })
    expect([reply.status, await reply.text()]).toEqual([200, ''])
  })
})

describe('operations', () => {
  const view = {
    id: OPERATION,
    kind: 'reserve',
    phase: 'bound',
    createdAt: '2026-10-01T12:00:00.000Z',
    updatedAt: '2026-10-01T12:00:01.000Z',
  }
  const shown = async (
    more: { state: 'done' | 'failed'; reservations: ReturnType<typeof granted>[] },
    failed = false,
  ) => {
    const broken = failed ? { problem: problem('address_taken', 'taken', { field: 'v4IpAddress' }) } : {}
    const door = fakeDoor({ operation: async () => ok({ ...view, tenant: 'anonymous', ...more, ...broken }) })
    return (await call(door, `/v1/operations/${OPERATION}`)).json()
  }

  it('show their reservation', async () => {
    expect(await shown({ state: 'done', reservations: [granted(ITEM)] })).toEqual({
      ...view,
      state: 'done',
      reservation: granted(ITEM),
    })
  })

  it('show the reservations of a group', async () => {
    const reservations = [granted(ITEM, 0), granted(ITEM, 1)]
    expect(await shown({ state: 'done', reservations })).toEqual({ ...view, state: 'done', reservations })
  })

  it('show the problem as it would have been answered', async () => {
    expect(await shown({ state: 'failed', reservations: [] }, true)).toEqual({
      ...view,
      state: 'failed',
      problem: {
        type: 'urn:berth:problem:address_taken',
        title: 'The address is promised to somebody else',
        status: 409,
        detail: 'taken',
        code: 'address_taken',
        field: 'v4IpAddress',
      },
    })
  })
})

describe('Subnets', () => {
  it('write counters beyond 2^53 in full', async () => {
    const text = await (await call(fakeDoor(), '/v1/subnets/ovn-default')).text()
    expect(text).toContain('"v6availableIPs":18446744073709551616,')
    expect(await (await call(fakeDoor(), '/v1/subnets')).text()).toContain(':18446744073709551616,')
  })

  it('are put by manifest, its known fields, the path’s name', async () => {
    const door = fakeDoor()
    const manifest = `{"apiVersion": "kubeovn.io/v1", "kind": "Subnet",
      "metadata": {"labels": {"a": null}, "uid": "x"},
      "spec": {"cidrBlock": "10.18.0.0/24", "gateway": "", "excludeIps": ["10.18.0.1"], "new": 1, "default": false},
      "status": {"v6availableIPs": 18446744073709551616}}`
    const reply = await call(door, '/v1/subnets/lab?dryRun=All', {
      method: 'PUT',
      body: manifest,
      headers: { 'Idempotency-Key': 'k' },
    })
    expect(reply.status).toBe(201)
    expect(door.fake.calls[0]?.with).toMatchObject([
      {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'lab', labels: { a: '' } },
        spec: { cidrBlock: '10.18.0.0/24', excludeIps: ['10.18.0.1'], default: false },
      },
      { dryRun: true, idempotencyKey: 'k', tenant: 'anonymous' },
    ])
    expect(Object.keys((door.fake.calls[0]!.with[0] as { spec: object }).spec)).toEqual([
      'cidrBlock',
      'excludeIps',
      'default',
    ])
  })

  it('are 200 when they were there', async () => {
    const door = fakeDoor({ putSubnet: async () => ok({ created: false, subnet: SUBNET }) })
    const body = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', spec: { cidrBlock: '10.18.0.0/24' } }
    expect((await call(door, '/v1/subnets/lab', { ...json(body), method: 'PUT' })).status).toBe(200)
  })

  it('are removed', async () => {
    const door = fakeDoor()
    expect((await call(door, '/v1/subnets/lab', { method: 'DELETE' })).status).toBe(200)
    expect(door.fake.calls[0]?.with).toMatchObject(['lab', { dryRun: false }])
  })

  it('suggest', async () => {
    const door = fakeDoor()
    const reply = await call(door, '/v1/subnets/lab/suggest?count=4&contiguous=true')
    expect(await reply.json()).toEqual({ addresses: ['10.16.0.2'] })
    await call(door, '/v1/subnets/lab/suggest')
    expect(door.fake.calls.map((made) => made.with)).toEqual([
      ['lab', { count: 4, contiguous: true }],
      ['lab', { count: 1, contiguous: false }],
    ])
  })
})

describe('owners', () => {
  it.for([
    ['pods', 'v1', 'Pod'],
    ['statefulsets', 'apps/v1', 'StatefulSet'],
    ['virtualmachines', 'kubevirt.io/v1', 'VirtualMachine'],
  ] as const)('in %s need no body', async ([plural, apiVersion, kind]) => {
    const door = fakeDoor()
    const path = `/embedded/${plural}/default/web-1`
    for (const body of [undefined, '', '{}', ' ']) {
      const reply = await call(door, path, { method: 'PUT', ...(body === undefined ? {} : { body }) })
      expect(reply.status).toBe(201)
    }
    const object = { apiVersion, kind, metadata: { namespace: 'default', name: 'web-1' } }
    expect(door.fake.calls.map((made) => made.with)).toEqual(Array(4).fill([object, BY]))
    expect((await call(door, path, { method: 'DELETE' })).status).toBe(200)
    expect(door.fake.calls[4]).toEqual({
      verb: 'deleteOwner',
      with: [{ kind, namespace: 'default', name: 'web-1' }, BY],
    })
  })

  it('keep spec, status, labels and references', async () => {
    const door = fakeDoor()
    const reference = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 's', uid: 'u', controller: true }
    const said = {
      kind: 'Pod',
      metadata: { name: 'a', labels: { a: 'b' }, annotations: { c: 'd' }, ownerReferences: [reference] },
      spec: { nodeName: 'n', containers: [{ name: 'c' }] },
      status: { phase: 'Running' },
    }
    await call(door, '/embedded/pods/default/a', { ...json(said), method: 'PUT' })
    expect(door.fake.calls[0]?.with).toEqual([
      { ...said, apiVersion: 'v1', metadata: { ...said.metadata, namespace: 'default' } },
      BY,
    ])
  })
})

describe('health', () => {
  it('is ok', async () => {
    const door = fakeDoor()
    expect(await (await call(door, '/healthz')).json()).toEqual({ status: 'ok' })
    expect(door.fake.calls).toEqual([])
  })

  it('names each part', async () => {
    const reply = await call(fakeDoor(), '/readyz')
    expect(await reply.json()).toEqual({ status: 'ok', parts: { ledger: { ready: true, detail: 'open' } } })
  })

  it('names the part that is not ready, 503', async () => {
    const parts = [
      { part: 'ledger', ready: true, detail: 'open' },
      { part: 'cluster', ready: false, detail: 'mirror is 90 s old' },
    ] as const
    const reply = await call(fakeDoor({ ready: async () => parts }), '/readyz')
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await reply.json()).toMatchObject({
      code: 'unavailable',
      detail: 'not ready: cluster',
      parts: { cluster: { ready: false, detail: 'mirror is 90 s old' }, ledger: { ready: true } },
    })
  })
})
