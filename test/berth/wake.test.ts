import { runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { DEFAULT_CLUSTER } from '../../functions/clusters.ts'
import { clusterNamespace } from '../support/cluster-object.ts'

// Found by the simulation: after a kill and a clock set back, the mirror would have slept until the clock caught up.
it.each([
  ['an hour ahead, as after a clock set back, is set to now', 3_600_000, 1_000],
  ['that is due soon is left as it is', 4_000, 4_000],
])('waking a mirror whose alarm is %s', async (_, aheadMs, leftMs) => {
  const stub = clusterNamespace.getByName(DEFAULT_CLUSTER)
  const leftAheadMs = await runInDurableObject(stub, async (object, { storage }) => {
    const nowMs = Date.now()
    await storage.setAlarm(nowMs + aheadMs)
    await object.wake()
    const atMs = (await storage.getAlarm()) ?? Number.NaN
    await storage.deleteAlarm()
    return atMs - nowMs
  })
  expect(leftAheadMs).toBeLessThanOrEqual(leftMs)
  expect(leftAheadMs >= 4_000).toBe(leftMs === 4_000)
})
