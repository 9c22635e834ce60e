import { describe, expect, test } from 'vitest'
import { retryAfterMs } from '../../shared/cluster/kubernetes/retry-after.ts'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { json, NotingClock, newIp, portOver, ScriptedHttp, status, storedIp } from './scripted-http.ts'

const NAME = 'web-0.shop'
const GET: ClusterRequest = { verb: 'get', ref: { kind: 'IP', name: NAME } }
const CREATE: ClusterRequest = { verb: 'create', object: newIp(NAME) }
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5)

// Fault 19: every form of Retry-After.
const FORMS: readonly [string | undefined, number | undefined][] = [
  ['0', 0],
  ['1', 1_000],
  ['  7 ', 7_000],
  ['60', 60_000],
  ['61', 60_000],
  ['1000000000', 60_000],
  ['9'.repeat(400), 60_000],
  ['Fri, 02 Jan 2026 03:04:15 GMT', 10_000],
  ['Friday, 02-Jan-26 03:04:15 GMT', 10_000],
  ['Fri Jan  2 03:04:15 2026', 10_000],
  ['Fri, 02 Jan 2026 03:04:00 GMT', 0],
  ['Sat, 03 Jan 2026 03:04:05 GMT', 60_000],
  [undefined, undefined],
  ['', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['soon', undefined],
  ['2026-01-02T03:04:15Z', undefined],
  ['Mon', undefined],
  ['Mon, 99 Foo 2026 99:99:99 GMT', undefined],
]

test.each(FORMS)('Retry-After %j is %j ms', (header, expected) => {
  expect(retryAfterMs(header, NOW_MS, 60_000)).toBe(expected)
})

describe.each([429, 503])('%d', (code) => {
  const reason = code === 429 ? 'TooManyRequests' : 'ServiceUnavailable'
  const answer = (header?: string) =>
    json(status(code, reason), code, header === undefined ? {} : { 'retry-after': header })

  test.each(FORMS)('a write under Retry-After %j is sent once and says %j', async (header, expected) => {
    const http = new ScriptedHttp(() => answer(header))
    const clock = new NotingClock()
    const [reply] = await portOver(http, clock).send([CREATE])
    if (!reply || reply.ok) throw new Error('a refusal was expected')
    expect(reply.error).toMatchObject({
      reason: code === 429 ? 'TooManyRequests' : 'Unavailable',
      outcome: code === 429 ? 'refused' : 'unknown',
    })
    expect(reply.error.retryAfterMs).toBe(expected)
    expect(http.sent).toHaveLength(1)
    expect(clock.waits).toEqual([])
  })

  test('a read is repeated as the server asks', async () => {
    const http = new ScriptedHttp((_, index) => (index < 2 ? answer('1') : json(storedIp(NAME))))
    const clock = new NotingClock()
    expect(await portOver(http, clock).send([GET])).toMatchObject([{ ok: true }])
    expect(http.sent).toHaveLength(3)
    expect(clock.waits).toEqual([1_000, 1_000])
  })

  test('a read without a wait named backs off on its own', async () => {
    const http = new ScriptedHttp(() => answer())
    const clock = new NotingClock()
    expect(await portOver(http, clock).send([GET])).toMatchObject([{ error: { outcome: 'refused' } }])
    expect(http.sent).toHaveLength(3)
    expect(clock.waits).toEqual([200, 400])
  })

  test('the waits of one read count together', async () => {
    const http = new ScriptedHttp(() => answer('2'))
    const clock = new NotingClock()
    expect(await portOver(http, clock).send([GET])).toMatchObject([{ error: { retryAfterMs: 2_000 } }])
    expect(clock.waits).toEqual([2_000])
    expect(http.sent).toHaveLength(2)
  })

  test('a wait beyond the limit is left to the caller', async () => {
    const http = new ScriptedHttp(() => answer('30'))
    const clock = new NotingClock()
    expect(await portOver(http, clock).send([GET])).toMatchObject([{ error: { retryAfterMs: 30_000 } }])
    expect(http.sent).toHaveLength(1)
    expect(clock.waits).toEqual([])
  })
})

test('twenty refusals in a row: each read ends after its own tries', async () => {
  const http = new ScriptedHttp((_, index) =>
    index < 20 ? json(status(503, 'ServiceUnavailable'), 503, { 'retry-after': '1' }) : json(storedIp(NAME)),
  )
  const port = portOver(http)
  let reads = 1
  while (!(await port.send([GET]))[0]?.ok) reads++
  expect(reads).toBe(7)
  expect(http.sent).toHaveLength(21)
})

test('the Status tells the wait where the header does not', async () => {
  const http = new ScriptedHttp(() => json(status(500, 'ServerTimeout', { retryAfterSeconds: 2 }), 500))
  expect(await portOver(http).send([CREATE])).toMatchObject([
    { error: { outcome: 'unknown', retryAfterMs: 2_000 } },
  ])
})

test('a broken connection is tried again for a read', async () => {
  const http = new ScriptedHttp((_, index) => (index === 0 ? new Error('reset') : json(storedIp(NAME))))
  expect(await portOver(http).send([GET])).toMatchObject([{ ok: true }])
})

test.each([400, 403, 404, 410, 422])('%d is not tried again', async (code) => {
  const http = new ScriptedHttp(() => json(status(code, 'Whatever'), code))
  await portOver(http).send([GET])
  expect(http.sent).toHaveLength(1)
})
