import { describe, expect, test } from 'vitest'
import { MAX_DEPTH_LEVELS } from '../../shared/cluster/embedded/json.ts'
import type { Kind, KubeObject } from '../../shared/cluster/port.ts'
import type { Sql } from '../../shared/sql.ts'
import { deletionOf, ip, patchOf, pod, refOf } from '../support/cluster-contract.ts'
import { embeddedStore, failed, listed, sent } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'

test('seed Subnets: as contract.md has them', () => {
  const store = embeddedStore(nodeSql())
  expect(listed(store, 'Subnet')).toMatchObject([
    {
      metadata: { name: 'dual-stack' },
      spec: {
        cidrBlock: '10.17.0.0/16,fd00:10:17::/112',
        gateway: '10.17.0.1,fd00:10:17::1',
        excludeIps: ['10.17.0.1', 'fd00:10:17::1'],
        protocol: 'Dual',
        provider: 'ovn',
        vpc: 'ovn-cluster',
      },
    },
    {
      metadata: {
        name: 'ovn-default',
        uid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        generation: 1,
        creationTimestamp: '2026-01-02T03:04:05Z',
      },
      spec: {
        cidrBlock: '10.16.0.0/16',
        default: true,
        gateway: '10.16.0.1',
        excludeIps: ['10.16.0.1'],
        protocol: 'IPv4',
        provider: 'ovn',
        vpc: 'ovn-cluster',
      },
    },
  ])
})

test('opening again neither seeds nor changes: a deleted seed stays deleted', () => {
  const sql = nodeSql()
  const first = embeddedStore(sql)
  const subnet = sent(first, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })
  sent(first, deletionOf(subnet))
  const before = dump(sql)
  const second = embeddedStore(sql)
  expect(listed(second, 'Subnet').map(({ metadata }) => metadata.name)).toEqual(['dual-stack'])
  expect(dump(sql)).toEqual(before)
})

describe('a write is whole or absent', () => {
  /** A SQL port whose next writing statement after `countdown` others fails, as a full disk would. */
  function failing(sql: Sql): Sql & { failAfter(countdown: number): void } {
    let left = Number.POSITIVE_INFINITY
    return {
      ...sql,
      failAfter: (countdown) => {
        left = countdown
      },
      run: (statement, ...parameters) => {
        if (left-- === 0) throw new Error('disk full')
        return sql.run(statement, ...parameters)
      },
    }
  }

  test.each(['embedded_object', 'embedded_event'])(
    'create that always fails in %s: the batch goes on, no half object',
    (table) => {
      const sql = nodeSql()
      const store = embeddedStore({
        ...sql,
        run: (statement, ...parameters) => {
          const lost = parameters.some((value) => typeof value === 'string' && value.includes('lost'))
          if (lost && statement.includes(`INTO ${table}`)) throw new Error('disk full')
          return sql.run(statement, ...parameters)
        },
      })
      const before = dump(sql)
      const [lost, made] = store.send([
        { verb: 'create', object: ip('lost') },
        { verb: 'create', object: ip('made') },
      ])
      expect(lost).toMatchObject({ ok: false, error: { reason: 'Unavailable', outcome: 'refused' } })
      expect(made).toMatchObject({ ok: true, value: { metadata: { resourceVersion: '3' } } })
      expect(listed(store, 'IP').map(({ metadata }) => metadata.name)).toEqual(['made'])
      expect(dump(sql).embedded_event).toHaveLength((before.embedded_event?.length ?? 0) + 1)
    },
  )

  test.each([0, 1, 2, 3, 4])(
    'a batch that fails once at statement %i of 5 is carried out after all',
    (at) => {
      const sql = failing(nodeSql())
      const store = embeddedStore(sql)
      const before = dump(sql)
      sql.failAfter(at)
      const replies = store.send([
        { verb: 'create', object: ip('a') },
        { verb: 'create', object: ip('b') },
      ])
      expect(replies).toMatchObject([
        { ok: true, value: { metadata: { resourceVersion: '3' } } },
        { ok: true, value: { metadata: { resourceVersion: '4' } } },
      ])
      expect(dump(sql).embedded_event).toHaveLength((before.embedded_event?.length ?? 0) + 2)
      expect(dump(sql).embedded_state).toMatchObject([{ rv: 4 }])
    },
  )

  test.each(['patch', 'marking', 'delete', 'last finalizer'])(
    '%s fails at any statement: as before',
    (verb) => {
      for (let at = 0; at < 4; at++) {
        const sql = failing(nodeSql())
        const store = embeddedStore(sql)
        const finalizers = verb === 'delete' ? [] : ['x.io/a']
        let object = sent(store, { verb: 'create', object: ip('a', { finalizers }) })
        if (verb === 'last finalizer') object = sent(store, deletionOf(object))
        const before = dump(sql)
        sql.failAfter(at)
        const request = {
          patch: patchOf(object, { spec: { nodeName: 'n' } }),
          'last finalizer': patchOf(object, NO_FINALIZERS),
        }[verb]
        expect(failed(store, request ?? deletionOf(object)).message).toContain('disk full')
        expect(dump(sql)).toEqual(before)
        expect(sent(store, { verb: 'get', ref: refOf(object) })).toEqual(object)
      }
    },
  )

  test('a refused request writes nothing at all', () => {
    const sql = nodeSql()
    const store = embeddedStore(sql)
    const object = sent(store, { verb: 'create', object: ip('a') })
    const before = dump(sql)
    const stale = { ...object, metadata: { ...object.metadata, resourceVersion: '1' } }
    failed(store, { verb: 'create', object })
    failed(store, { verb: 'replace', object: stale })
    failed(store, patchOf(stale, { spec: null }))
    failed(store, { verb: 'delete', ref: refOf(object), uid: '' })
    sent(store, { verb: 'create', object: ip('b'), dryRun: true })
    expect(dump(sql)).toEqual(before)
  })
})

test('marking an object as terminating by writing it is Invalid', () => {
  const store = embeddedStore(nodeSql())
  const object = sent(store, { verb: 'create', object: ip('a') })
  const patch = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }
  expect(failed(store, patchOf(object, patch)).reason).toBe('Invalid')
})

describe('hostile names, keys and sizes', () => {
  const store = embeddedStore(nodeSql())

  test.each(['toString', '__proto__', 'constructor', 'hasOwnProperty', 'ips', ''])(
    'kind %j is none',
    (kind) => {
      const object = { ...ip('a'), kind }
      expect(failed(store, { verb: 'create', object }).reason).toBe('Invalid')
      expect(failed(store, { verb: 'get', ref: { kind: kind as Kind, name: 'a' } }).reason).toBe('Invalid')
      expect(store.list(kind as Kind)).toMatchObject({ ok: false, error: { reason: 'Invalid' } })
    },
  )

  test.each(["'; DROP TABLE embedded_object; --", '%', 'a/../b', '\u0000', 'ovn-default\u0000', '\ud800'])(
    'looking for %j finds nothing',
    (name) => {
      expect(failed(store, { verb: 'get', ref: { kind: 'Subnet', name } }).reason).toBe('NotFound')
      expect(failed(store, { verb: 'delete', ref: { kind: 'Subnet', name }, uid: '' }).reason).toBe(
        'NotFound',
      )
    },
  )

  test('a namespace is present exactly for namespaced kinds', () => {
    const { namespace: _, ...bare } = pod('p', 'default').metadata
    expect(failed(store, { verb: 'create', object: { ...pod('p', 'x'), metadata: bare } }).reason).toBe(
      'Invalid',
    )
    expect(failed(store, { verb: 'create', object: pod('p', 'Not.A.Label') }).reason).toBe('Invalid')
    const placed = ip('a', { namespace: 'default' })
    expect(failed(store, { verb: 'create', object: placed }).reason).toBe('Invalid')
    expect(failed(store, { verb: 'get', ref: { kind: 'Pod', name: 'p' } }).reason).toBe('Invalid')
    expect(failed(store, { verb: 'get', ref: refOf(placed) }).reason).toBe('Invalid')
    expect(store.list('IP', { namespace: 'default' })).toMatchObject({ ok: false })
  })

  test('__proto__ and constructor are plain keys in spec, refused as labels', () => {
    const spec = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')
    const made = sent(store, { verb: 'create', object: { ...ip('proto'), spec } })
    expect(JSON.stringify(made.spec)).toBe(JSON.stringify(spec))
    const patch = JSON.parse(
      '{"spec": {"__proto__": {"more": 2}, "constructor": {"prototype": {"more": 2}}}}',
    )
    const patched = sent(store, patchOf(made, patch))
    expect(JSON.stringify(patched.spec)).toBe(
      '{"__proto__":{"polluted":1,"more":2},"constructor":{"prototype":{"polluted":1,"more":2}}}',
    )
    expect(({} as Record<string, unknown>).polluted ?? ({} as Record<string, unknown>).more).toBeUndefined()
    const labels = JSON.parse('{"metadata": {"labels": {"__proto__": "x"}}}')
    expect(failed(store, patchOf(patched, labels)).reason).toBe('Invalid')
    expect(listed(store, 'IP', { labelSelector: { constructor: 'x' } as Record<string, string> })).toEqual([])
  })

  test('what is no JSON, or nests without end, is Invalid', () => {
    const round: Record<string, unknown> = {}
    round.self = round
    let deep: unknown = 'x'
    for (let level = 0; level < MAX_DEPTH_LEVELS; level++) deep = [deep]
    let abyss: unknown = 'x'
    for (let level = 0; level < 100_000; level++) abyss = { abyss }
    const made = sent(store, { verb: 'create', object: ip('plain') })
    for (const spec of [round, { n: 1n }, { deep }, abyss]) {
      expect(failed(store, { verb: 'create', object: { ...ip('odd'), spec } }).reason).toBe('Invalid')
      expect(failed(store, patchOf(made, { spec })).reason).toBe('Invalid')
    }
    for (const object of [null, undefined, 1, 'IP', [], { kind: 'IP' }]) {
      expect(failed(store, { verb: 'create', object: object as unknown as KubeObject }).reason).toBe(
        'Invalid',
      )
    }
  })

  test('1.5 MiB is the limit, in bytes and not in characters, also by way of a patch', () => {
    const fits = { ...ip('large'), spec: { podName: 'x'.repeat(1.5 * 1024 * 1024 - 1_000) } }
    const made = sent(store, { verb: 'create', object: fits })
    const wide = { ...ip('wide'), spec: { podName: 'ü'.repeat(1024 * 1024) } }
    expect(failed(store, { verb: 'create', object: wide }).reason).toBe('Invalid')
    expect(failed(store, { verb: 'create', object: wide, dryRun: true }).reason).toBe('Invalid')
    expect(failed(store, patchOf(made, { spec: { nodeName: 'x'.repeat(1_000) } })).reason).toBe('Invalid')
  })

  test.each([
    '',
    '!',
    'AAAA',
    btoa('1/1/IP//'),
    btoa('1/99999/IP//a'),
    btoa('1/-1/IP//a'),
    btoa('1/1/Pod/x/a'),
  ])('continue token %j', (token) => {
    const list = store.list('IP', { continue: token, limit: 1 })
    if (token === '') expect(list.ok).toBe(true)
    else expect(list).toMatchObject({ ok: false, error: { outcome: 'refused' } })
  })

  test.each([-1, 0.5, Number.NaN])('limit %d is Invalid', (limit) => {
    expect(store.list('IP', { limit })).toMatchObject({ ok: false, error: { reason: 'Invalid' } })
  })
})

const NO_FINALIZERS = { metadata: { finalizers: null } }

/** Every row of every table. */
function dump(sql: Sql): Record<string, unknown[]> {
  const tables = sql.all<{ name: string }>(
    `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`,
  )
  return Object.fromEntries(
    tables.map(({ name }) => [name, structuredClone(sql.all(`SELECT * FROM ${name}`))]),
  )
}
