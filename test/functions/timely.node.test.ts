import { expect, it } from 'vitest'
import type { Berth } from '../../functions/berth.ts'
import { ANSWER_MS, REPAIR_MS, timely } from '../../functions/timely.ts'
import { ManualClock } from '../support/clock.ts'
import { FakeBerth } from '../support/fake-berth.ts'

const never = () => new Promise<never>(() => {})
const verbs = Object.keys(new FakeBerth().berth) as (keyof Berth)[]
/** These answer within WAIT_MS by themselves. */
const ownTime: readonly (keyof Berth)[] = ['reserve', 'release', 'renew', 'transfer', 'adopt']

it.for(verbs.filter((verb) => !ownTime.includes(verb)))('%s that hangs is answered', async (verb) => {
  const clock = new ManualClock()
  const berth = timely({ ...new FakeBerth().berth, [verb]: never }, clock)
  const answer = (berth[verb] as () => Promise<unknown>)()
  clock.advance(verb === 'repair' ? REPAIR_MS : ANSWER_MS)
  expect(JSON.stringify(await answer)).toMatch(/unavailable|"ready":false/)
})

it('an answer in time is passed on, and no timer is left', async () => {
  const clock = new ManualClock()
  const fake = new FakeBerth()
  expect(await timely(fake.berth, clock).subnet('a')).toEqual(await fake.berth.subnet('a'))
  expect(clock.sleeping).toBe(0)
})
