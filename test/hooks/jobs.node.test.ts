import { beforeEach, describe, expect, it } from 'vitest'
import { Jobs, LONGEST_WAIT_MS } from '../../shared/hooks/jobs.ts'
import { ManualClock } from '../support/clock.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const DAY_MS = 86_400_000
let clock: ManualClock
let jobs: Jobs
beforeEach(() => {
  clock = new ManualClock()
  jobs = new Jobs(nodeSql(), clock)
})
const take = (waitMs = 2_000) => jobs.take((tries) => waitMs * 2 ** tries, 10)
const taken = (waitMs?: number) => take(waitMs).map(({ id, tries }) => `${id} ${tries}`)

it('is due after its time, and later each time it is not done', () => {
  jobs.put('a', '{}', 1_000, DAY_MS)
  expect(jobs.nextMs()).toBe(clock.nowMs() + 1_000)
  expect(taken()).toEqual([])
  clock.advance(1_000)
  expect(taken()).toEqual(['a 0'])
  expect(jobs.nextMs()).toBe(clock.nowMs() + 2_000)
  expect(taken()).toEqual([])
  clock.advance(2_000)
  expect(taken()).toEqual(['a 1'])
  expect(jobs.nextMs()).toBe(clock.nowMs() + 4_000)
})

it('done is gone, unless another took its place meanwhile', () => {
  jobs.put('a', '1', 0, DAY_MS)
  const [first] = take()
  jobs.put('a', '2', 0, DAY_MS)
  jobs.done(first!)
  const [second] = take()
  expect(second).toEqual({ id: 'a', body: '2', tries: 0 })
  jobs.done(second!)
  expect(jobs.nextMs()).toBeUndefined()
})

it('nobody wants any more, is dropped', () => {
  jobs.put('a', '{}', 0, 600_000)
  clock.advance(599_999)
  expect(taken()).toEqual(['a 0'])
  clock.advance(1)
  expect(taken()).toEqual([])
  expect(jobs.nextMs()).toBeUndefined()
})

describe('over a wall clock that is set, or Berth standing still, a job', () => {
  it('on, is not dropped', () => {
    jobs.put('a', '{}', 0, DAY_MS)
    clock.jump(3_650 * DAY_MS)
    expect(taken()).toEqual(['a 0'])
  })

  it('back, waits no longer than any', () => {
    jobs.put('a', '{}', LONGEST_WAIT_MS, DAY_MS)
    clock.jump(-365 * DAY_MS)
    expect(jobs.nextMs()).toBeLessThanOrEqual(clock.nowMs())
    expect(taken(LONGEST_WAIT_MS * 2)).toEqual(['a 0'])
    expect(jobs.nextMs()).toBe(clock.nowMs() + LONGEST_WAIT_MS)
  })
})

it('of a version that went by the wall clock is kept for what it had left', () => {
  const sql = nodeSql()
  sql.run(`CREATE TABLE job (id TEXT PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL,
     until INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID`)
  sql.run(`INSERT INTO job VALUES ('old', '{}', ?, ?, 3)`, clock.nowMs(), clock.nowMs() + 60_000)
  jobs = new Jobs(sql, clock)
  clock.advance(59_999)
  expect(taken(1)).toEqual(['old 3'])
  jobs = new Jobs(sql, clock)
  clock.advance(1)
  expect(taken()).toEqual([])
  expect(jobs.nextMs()).toBeUndefined()
})
