import { describe, expect, test } from 'vitest'
import { Authority, type AuthorityWish, authorityOf, leadershipOf } from '../../shared/cluster/authority.ts'
import type { ClusterPort, ClusterReply } from '../../shared/cluster/port.ts'
import { err, ok } from '../../shared/result.ts'
import { failure, TurnClock } from '../support/faulty-cluster.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const leaseOf = (spec: object | undefined): ClusterReply =>
  ok({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'kube-ovn-controller' },
    ...(spec ? { spec } : {}),
  })
const renewed = (agoMs: number) => leaseOf({ renewTime: new Date(NOW - agoMs).toISOString() })

test.each<[string, ClusterReply, string]>([
  ['no such Lease', err(failure('NotFound')), 'none'],
  ['renewed just now', renewed(0), 'live'],
  ['renewed 59 s ago: a new replica may be on its way', renewed(59_000), 'live'],
  ['renewed a minute ago', renewed(60_000), 'none'],
  ['renewed in the future: clocks differ', renewed(-3_600_000), 'live'],
  ['a time nobody can read', leaseOf({ renewTime: 'soon' }), 'live'],
  ['never renewed', leaseOf({}), 'none'],
  ['an empty Lease', leaseOf(undefined), 'none'],
  ['no answer', err(failure('Unavailable')), 'unknown'],
  ['no right to look', err(failure('Forbidden')), 'unknown'],
])('the Lease: %s', (_, reply, leadership) => {
  expect(leadershipOf(reply, NOW)).toBe(leadership)
})

test.each([
  ['auto', 'none', 'alone'],
  ['alone', 'none', 'alone'],
  ['auto', 'live', 'beside'],
  ['alone', 'live', 'authority_conflict'],
  ['auto', 'unknown', 'unavailable'],
  ['alone', 'unknown', 'unavailable'],
  ['beside', 'none', 'beside'],
  ['beside', 'live', 'beside'],
  ['beside', 'unknown', 'beside'],
] as const)('AUTHORITY=%s, Lease %s: %s', (wish, leadership, answer) => {
  const authority = authorityOf(wish, leadership)
  expect(authority.ok ? authority.value : authority.error.code).toBe(answer)
})

describe('looking at it', () => {
  /** Asks for leave to write at certain times, and counts the looks. */
  function bench(reply: () => ClusterReply) {
    const clock = new TurnClock()
    clock.ms = NOW
    const authority = new Authority()
    const background: Promise<unknown>[] = []
    let looks = 0
    const send: ClusterPort['send'] = async () => {
      looks++
      return [reply()]
    }
    const ask = async (wish: AuthorityWish = 'auto') => {
      const cluster = { send } as unknown as ClusterPort
      // Whoever waits here waits for the answer, not for the limit.
      const patient = {
        nowMs: () => clock.ms,
        sleep: () => new Promise<void>(() => {}),
        after: () => () => {},
      }
      const answer = await authority.check({
        ...{ cluster, clock: patient, wish, waitMs: 5_000 },
        background: (work) => background.push(work),
      })
      return answer.ok ? answer.value : answer.error.code
    }
    const rest = () => Promise.all(background)
    return { clock, ask, rest, looks: () => looks }
  }

  test('one look serves all for 5 s', async () => {
    const { ask, looks, clock } = bench(() => err(failure('NotFound')))
    await ask()
    clock.ms += 4_999
    expect([await ask(), await ask('alone'), looks()]).toEqual(['alone', 'alone', 1])
  })

  test('after that nobody waits for the next look, which is one', async () => {
    let reply: ClusterReply = err(failure('NotFound'))
    const { ask, looks, clock, rest } = bench(() => reply)
    await ask()
    clock.ms += 5_000
    reply = renewed(-60_000)
    const asked = [ask(), ask()]
    expect(await Promise.all(asked)).toEqual(['alone', 'alone'])
    await rest()
    expect([await ask(), looks()]).toEqual(['beside', 2])
  })

  test('a cluster that is silent is believed for a minute, then no more', async () => {
    let reply: ClusterReply = err(failure('NotFound'))
    const { ask, clock } = bench(() => reply)
    await ask()
    reply = err(failure('Unavailable'))
    clock.ms += 59_000
    expect(await ask()).toBe('alone')
    clock.ms += 1_000
    expect(await ask()).toBe('unavailable')
  })

  test('a live Lease is looked at anew before anybody writes', async () => {
    let reply: ClusterReply = renewed(0)
    const { ask, clock } = bench(() => reply)
    expect(await ask()).toBe('beside')
    reply = err(failure('NotFound'))
    clock.ms += 5_000
    expect(await ask()).toBe('alone')
  })

  test('nobody waits longer than he may', async () => {
    const authority = new Authority()
    const cluster = { send: () => new Promise(() => {}) } as unknown as ClusterPort
    const clock = new TurnClock()
    const answer = await authority.check({
      cluster,
      clock,
      wish: 'auto',
      waitMs: 5_000,
      background: () => {},
    })
    expect(answer).toMatchObject({ error: { code: 'unavailable' } })
    expect(clock.sleeps).toEqual([5_000])
  })
})
