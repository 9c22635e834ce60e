import { describe, expect, test } from 'vitest'
import type { ClusterFailure, ClusterReply } from '../../shared/cluster/port.ts'
import { exposures, Protection, protectedBy } from '../../shared/cluster/protection.ts'
import { err, ok } from '../../shared/result.ts'
import { ManualClock } from '../support/clock.ts'

const there = (more: object = {}, metadata: object = {}): ClusterReply =>
  ok({ apiVersion: 'v1', kind: 'X', metadata: { name: 'berth', ...metadata }, ...more })
const failed = (reason: ClusterFailure['reason']): ClusterReply =>
  err({ reason, message: '', outcome: 'refused' })
const PODS = there({ webhooks: [{ rules: [{ resources: ['ips'] }] }, { rules: [{ resources: ['pods'] }] }] })
const IPS = there({ webhooks: [{ rules: [{ resources: ['ips'] }] }] })

describe('what a restart of the controller would do', () => {
  test.each([
    ['all is in place', there(), PODS, []],
    ['no policy', failed('NotFound'), PODS, ['deletes the IP objects']],
    ['a policy that is being removed', there({}, { deletionTimestamp: 'now' }), PODS, ['deletes']],
    ['no webhooks', there(), failed('NotFound'), ['another address']],
    ['webhooks for IP objects alone', there(), IPS, ['another address']],
    ['neither', failed('NotFound'), failed('NotFound'), ['deletes', 'another address']],
    ['no right to look', failed('Forbidden'), PODS, ['does not tell']],
  ])('%s', (_, policy, webhooks, words) => {
    const said = exposures(protectedBy(policy, webhooks))
    expect(said).toHaveLength(words.length)
    for (const [index, word] of words.entries()) expect(said[index]).toContain(word)
  })

  test('is looked at once a minute', async () => {
    const clock = new ManualClock()
    let looks = 0
    let policy = failed('NotFound')
    const send = async () => {
      looks++
      return [policy, PODS]
    }
    const protection = new Protection()
    const ask = async () => (await protection.exposures({ send }, clock, 1_000)).length
    expect([await ask(), await ask(), looks]).toEqual([1, 1, 1])
    policy = there()
    clock.advance(60_000)
    expect([await ask(), looks]).toEqual([0, 2])
  })

  test('a cluster that does not answer costs nobody more than he may wait', async () => {
    const clock = new ManualClock()
    const asked = new Protection().exposures({ send: () => new Promise(() => {}) }, clock, 1_000)
    clock.advance(1_000)
    expect(await asked).toHaveLength(1)
  })
})
