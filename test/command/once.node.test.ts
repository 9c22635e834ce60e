import { expect, it } from 'vitest'
import type { AnswersPort } from '../../shared/cluster/answers.ts'
import { AnswerTable } from '../../shared/cluster/embedded/answers.ts'
import { once } from '../../shared/command/once.ts'
import type { WriteContext } from '../../shared/command/types.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { ManualClock } from '../support/clock.ts'
import { turns } from '../support/drive.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

function keyed() {
  const clock = new ManualClock()
  const table = new AnswerTable(nodeSql(), clock)
  const answers: AnswersPort = {
    claim: async (request) => table.claim(request),
    keep: async (request, answer) => table.keep(request, answer),
  }
  const by = (more: Partial<WriteContext> = {}): WriteContext => ({
    tenant: 'anonymous',
    requestId: 'test',
    dryRun: false,
    idempotencyKey: 'k',
    bodyHash: 'hash',
    ...more,
  })
  let done = 0
  /** A write whose answer tells how many there were. */
  const write = async (): Promise<Result<number, Problem>> => ok(++done)
  const ask = (more: Partial<WriteContext> = {}, what: () => Promise<Result<unknown, Problem>> = write) =>
    once({ answers, clock }, by(more), what)
  return { clock, ask, write, done: () => done }
}

it('a write happens once under its key', async () => {
  const { ask, done } = keyed()
  expect([await ask(), await ask()]).toEqual([ok(1), ok(1)])
  expect(done()).toBe(1)
})

it('a final refusal is kept as well', async () => {
  const { ask } = keyed()
  const refusal = err(problem('subnet_in_use', 'no', { field: 'name' }))
  expect(await ask({}, async () => refusal)).toEqual(refusal)
  expect(await ask()).toEqual(refusal)
})

it.each([
  ['without a key', { idempotencyKey: undefined as never }],
  ['in a dry run', { dryRun: true }],
])('%s each write happens', async (_, more) => {
  const { ask } = keyed()
  expect([await ask(more), await ask(more)]).toEqual([ok(1), ok(2)])
})

it('a key is another tenant’s own', async () => {
  const { ask } = keyed()
  expect([await ask(), await ask({ tenant: 'b' })]).toEqual([ok(1), ok(2)])
})

it('a key does not stand for another request, running or answered', async () => {
  const { ask, done } = keyed()
  const gate = Promise.withResolvers<Result<unknown, Problem>>()
  const first = ask({}, () => gate.promise)
  const mismatch = { ok: false, error: { code: 'idempotency_mismatch', field: 'Idempotency-Key' } }
  expect(await ask({ bodyHash: 'other' })).toMatchObject(mismatch)
  gate.resolve(ok('first'))
  await first
  expect(await ask({ bodyHash: 'other' })).toMatchObject(mismatch)
  expect(done()).toBe(0)
})

it('an answer worth a retry is not kept, whatever comes next', async () => {
  const { ask } = keyed()
  const later = err(problem('unavailable', 'later', { retryAfterMs: 1_000 }))
  expect(await ask({}, async () => later)).toEqual(later)
  expect(await ask({ bodyHash: 'other' })).toEqual(ok(1))
})

it('a write that fails gives its key back', async () => {
  const { ask } = keyed()
  const broken = async (): Promise<never> => {
    throw new Error('the ledger does not answer')
  }
  await expect(ask({}, broken)).rejects.toThrow('the ledger does not answer')
  expect(await ask()).toEqual(ok(1))
})

it('a twin waits for the first one’s answer', async () => {
  const { clock, ask, done } = keyed()
  const gate = Promise.withResolvers<Result<unknown, Problem>>()
  const first = ask({}, () => gate.promise)
  const twin = ask()
  await turns()
  gate.resolve(ok('first'))
  await turns()
  clock.advance(50)
  expect([await first, await twin]).toEqual([ok('first'), ok('first')])
  expect(done()).toBe(0)
})

it('a twin that waits in vain is told to come again', async () => {
  const { clock, ask } = keyed()
  void ask({}, () => new Promise(() => {}))
  const twin = ask()
  for (let look = 0; look < 101; look++) {
    await turns(20)
    clock.advance(50)
  }
  expect(await twin).toMatchObject({ ok: false, error: { code: 'unavailable', retryAfterMs: 1_000 } })
})

it('a request whose first caller died is carried out again; the answer that was kept first counts', async () => {
  const { clock, ask } = keyed()
  const gate = Promise.withResolvers<Result<unknown, Problem>>()
  const dead = ask({}, () => gate.promise)
  await turns()
  clock.advance(30_000)
  expect(await ask()).toEqual(ok(1))
  gate.resolve(ok('late'))
  expect(await dead).toEqual(ok(1))
})

it('a key is forgotten after a day, not before', async () => {
  const { clock, ask } = keyed()
  await ask()
  clock.advance(DAY_MS - 1)
  expect(await ask()).toEqual(ok(1))
  clock.advance(1)
  expect(await ask({ bodyHash: 'other' })).toEqual(ok(2))
})

it('integers of any size come back as they were', async () => {
  const { ask } = keyed()
  const counts = ok({ free: 2n ** 64n, ledger: { v6: { usable: 0n } } })
  await ask({}, async () => counts)
  expect(await ask()).toEqual(counts)
})
