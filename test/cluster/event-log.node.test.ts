import { describe, expect, test } from 'vitest'
import type { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type { WatchEvent } from '../../shared/cluster/port.ts'
import { ip, patchOf } from '../support/cluster-contract.ts'
import { embeddedStore, listed, portOver, sent } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const expired = { ok: false, error: { reason: 'Expired', outcome: 'refused' } }
const PLENTY_BYTES = 1_000_000

/** `count` changes, each one event. */
function change(store: EmbeddedStore, count: number, padding = ''): void {
  let object = sent(store, { verb: 'create', object: ip(`busy-${crypto.randomUUID()}`) })
  for (let n = 1; n < count; n++)
    object = sent(store, patchOf(object, { spec: { nodeName: `${n}${padding}` } }))
}

describe('compaction', () => {
  test('keeps maxEvents events and a tenth more at most', () => {
    const sql = nodeSql()
    const store = embeddedStore(sql, { limits: { maxEvents: 20, maxLogBytes: PLENTY_BYTES } })
    for (let n = 0; n < 100; n++) {
      change(store, 1)
      const kept = sql.first<{ n: number }>('SELECT COUNT(*) AS n FROM embedded_event')?.n ?? 0
      expect(kept).toBeLessThanOrEqual(22)
      if (n > 30) expect(kept).toBeGreaterThanOrEqual(20)
    }
  })

  test('keeps within its bytes, and the count of bytes stays true', () => {
    const sql = nodeSql()
    const store = embeddedStore(sql, { limits: { maxEvents: 1_000, maxLogBytes: 50_000 } })
    change(store, 200, 'ü'.repeat(500))
    const rows = sql.all<{ body: string }>(
      'SELECT body FROM embedded_event UNION ALL SELECT body FROM embedded_before',
    )
    const bytes = rows.reduce((sum, { body }) => sum + new TextEncoder().encode(body).length, 0)
    expect(bytes).toBeLessThanOrEqual(50_000)
    expect(sql.first('SELECT log_bytes FROM embedded_state')).toEqual({ log_bytes: bytes })
  })

  test('a watch from before it is Expired, a watch from its edge is whole', () => {
    const sql = nodeSql()
    const store = embeddedStore(sql, { limits: { maxEvents: 10, maxLogBytes: PLENTY_BYTES } })
    change(store, 50)
    const edge = Number(sql.first<{ compacted: number }>('SELECT compacted FROM embedded_state')?.compacted)
    const since = (rv: number) => store.eventsSince({ kind: 'IP', resourceVersion: String(rv) })
    expect(since(edge - 1)).toMatchObject(expired)
    const page = since(edge)
    expect(page.ok && page.value.events.map(({ object }) => object.metadata.resourceVersion)).toEqual(
      Array.from({ length: 52 - edge }, (_, n) => String(edge + 1 + n)),
    )
  })

  test('a continue token from before it is Expired', () => {
    const store = embeddedStore(nodeSql(), { limits: { maxEvents: 10, maxLogBytes: PLENTY_BYTES } })
    change(store, 1)
    change(store, 1)
    const first = store.list('IP', { limit: 1 })
    const token = (first.ok && first.value.continue) || 'no token'
    change(store, 5)
    expect(store.list('IP', { limit: 1, continue: token })).toMatchObject({ ok: true })
    change(store, 20)
    expect(store.list('IP', { limit: 1, continue: token })).toMatchObject(expired)
    expect(listed(store, 'IP')).toHaveLength(4)
  })

  test('ERROR Expired ends the stream', async () => {
    const store = embeddedStore(nodeSql(), { limits: { maxEvents: 10, maxLogBytes: PLENTY_BYTES } })
    change(store, 50)
    const events: WatchEvent[] = []
    for await (const event of portOver(store).watch('IP', { resourceVersion: '1' })) events.push(event)
    expect(events).toMatchObject([{ type: 'ERROR', failure: { reason: 'Expired' } }])
  })

  test('a resourceVersion that was never given is Expired: the reader starts over', () => {
    const store = embeddedStore(nodeSql())
    expect(store.eventsSince({ kind: 'IP', resourceVersion: '999' })).toMatchObject(expired)
  })
})

test.each(['', '-1', '1.5', '0x1', ' 1', '1e3', '9'.repeat(16)])('resourceVersion %j is Invalid', (text) => {
  const page = embeddedStore(nodeSql()).eventsSince({ kind: 'IP', resourceVersion: text })
  expect(page).toMatchObject({ ok: false, error: { reason: 'Invalid' } })
})

test('a page that ends early says where; one that is whole says now', () => {
  const store = embeddedStore(nodeSql())
  change(store, 5)
  const page = store.eventsSince({ kind: 'IP', resourceVersion: '2', limit: 2 })
  expect(page).toMatchObject({ ok: true, value: { resourceVersion: '4', events: [{}, {}] } })
  expect(store.eventsSince({ kind: 'Subnet', resourceVersion: '2', limit: 2 })).toMatchObject({
    ok: true,
    value: { resourceVersion: '7', events: [] },
  })
})
