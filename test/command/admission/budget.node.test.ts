import { expect, it } from 'vitest'
import { ADMISSION_BUDGET_MS, inTime } from '../../../shared/command/admission/budget.ts'
import { type Admission, allowed } from '../../../shared/command/admission/types.ts'
import { ManualClock } from '../../support/clock.ts'

it('an answer in time is the answer', async () => {
  const clock = new ManualClock()
  expect(await inTime(clock, Promise.resolve(allowed()))).toEqual(allowed())
})

it('no answer within 2.5 s is a plain refusal, before the API server stops waiting', async () => {
  expect(ADMISSION_BUDGET_MS).toBeLessThan(3_000)
  const clock = new ManualClock()
  const verdict = inTime(clock, new Promise<Admission>(() => {}))
  clock.advance(ADMISSION_BUDGET_MS)
  expect(await verdict).toMatchObject({
    kind: 'failed',
    problem: { code: 'unavailable', retryAfterMs: 1_000 },
  })
})

it('work that breaks breaks the answer', async () => {
  await expect(inTime(new ManualClock(), Promise.reject(new Error('broken')))).rejects.toThrow('broken')
})
