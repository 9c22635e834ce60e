import { describe, expect, test } from 'vitest'
import { openSchema, SCHEMA_VERSION } from '../../shared/cluster/embedded/schema.ts'
import { ip } from '../support/cluster-contract.ts'
import { embeddedStore } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const stored = (sql: ReturnType<typeof nodeSql>) =>
  sql.first<{ value: string }>(`SELECT value FROM embedded_meta WHERE key = 'schema'`)?.value

describe('storage of another version', () => {
  test('newer than the code: every call answers Unavailable and nothing is written', () => {
    const sql = nodeSql()
    embeddedStore(sql)
    sql.run(`UPDATE embedded_meta SET value = ? WHERE key = 'schema'`, String(SCHEMA_VERSION + 1))
    const written: string[] = []
    const store = embeddedStore({
      ...sql,
      run: (statement) => written.push(statement),
      transaction: (work) => {
        written.push('transaction')
        return work()
      },
    })
    const unavailable = { ok: false, error: { reason: 'Unavailable', outcome: 'refused' } }
    expect(store.list('Subnet')).toMatchObject(unavailable)
    expect(store.eventsSince({ kind: 'Subnet', resourceVersion: '0' })).toMatchObject(unavailable)
    const ref = { kind: 'Subnet', name: 'ovn-default' } as const
    expect(
      store.send([
        { verb: 'get', ref },
        { verb: 'create', object: ip('a') },
        { verb: 'replace', object: ip('a') },
        { verb: 'patch', ref, patch: {}, resourceVersion: '1' },
        { verb: 'delete', ref, uid: '' },
      ]),
    ).toMatchObject([unavailable, unavailable, unavailable, unavailable, unavailable])
    expect(written).toEqual([])
  })

  test('older: the steps run in order, once, and no seed is planted again', () => {
    const sql = nodeSql()
    embeddedStore(sql)
    const steps: string[] = []
    const migrations = [() => steps.push('1 to 2'), () => steps.push('2 to 3')]
    const seed = () => steps.push('seed')
    expect(openSchema(sql, seed, migrations, SCHEMA_VERSION + 2)).toEqual({
      ok: true,
      value: { created: false },
    })
    openSchema(sql, seed, migrations, SCHEMA_VERSION + 2)
    expect(steps).toEqual(['1 to 2', '2 to 3'])
    expect(stored(sql)).toBe(String(SCHEMA_VERSION + 2))
  })

  test('a step that fails leaves the storage as it was', () => {
    const sql = nodeSql()
    embeddedStore(sql)
    const broken = [
      () => void sql.run('CREATE TABLE embedded_new (a)'),
      () => {
        throw new Error('killed')
      },
    ]
    expect(() => openSchema(sql, () => {}, broken, SCHEMA_VERSION + 2)).toThrow('killed')
    expect(stored(sql)).toBe(String(SCHEMA_VERSION))
    expect(sql.first(`SELECT name FROM sqlite_master WHERE name = 'embedded_new'`)).toBeUndefined()
  })

  test('a seed that fails leaves no tables: the next start begins again', () => {
    const sql = nodeSql()
    const killed = () => {
      throw new Error('killed')
    }
    expect(() => openSchema(sql, killed)).toThrow('killed')
    expect(sql.all('SELECT name FROM sqlite_master')).toEqual([])
  })
})

test.each([
  ['get', `SELECT rv, body FROM embedded_object WHERE kind = ? AND namespace = ? AND name = ?`],
  [
    'list',
    `SELECT body FROM embedded_object WHERE kind = ? AND (namespace, name) > (?, ?) AND namespace <= ? AND rv <= ?
      ORDER BY namespace, name`,
  ],
])('%s finds its rows by index', (_, query) => {
  const sql = nodeSql()
  embeddedStore(sql)
  const parameters = Array<string>((query.match(/\?/g) ?? []).length).fill('a')
  const plan = sql.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, ...parameters)
  expect(plan.map(({ detail }) => detail)).toEqual([expect.stringMatching(/^SEARCH .* USING INDEX/)])
})
