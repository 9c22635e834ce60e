import { describe, expect, test } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import { isRetryable } from '../../shared/problem.ts'
import { expectAgreement } from '../support/agreement.ts'
import { BesideWorld } from '../support/beside.ts'
import { killedAt } from '../support/drive.ts'
import { reserved } from '../support/world.ts'

const MINUTE_MS = 60_000
/** Whatever was begun is over: the reserve's deadline, the fence, and the straggler time after it. */
const QUIET_MS = 40 * MINUTE_MS
const WISH = { podName: 'a', v4IpAddress: '10.16.0.150' }

const using = (beside: BesideWorld) => beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? ''
const lease = (beside: BesideWorld) => beside.world.ledger().find('a.default')

/** Berth's process dies at its point number `n`, from 0 (the `first` of that name), and begins anew. @returns the point's name, if there is one */
async function dyingAt(
  beside: BesideWorld,
  n: number,
  work: () => Promise<unknown>,
  first = '',
): Promise<string | undefined> {
  const { world } = beside
  const died = await killedAt(world, n, work, first)
  if (died !== undefined) {
    world.restart()
    await beside.learn()
    // A new process has its mirror list anew.
    await world.mirror.list('ovn-default')
  }
  return died
}

/** Dies at each point in turn, until one is asked for that does not exist, or at the first so many. @returns their names */
async function atEachPoint(work: (n: number) => Promise<string | undefined>, atMost = 60): Promise<string[]> {
  const names: string[] = []
  while (names.length < atMost) {
    const name = await work(names.length)
    if (name === undefined) break
    names.push(name)
  }
  return names
}
/** Of the fence; behind them it reads again and again until the controller is back. */
const FENCE_POINTS = 24
const CREATED = ['before create is sent', 'after create took effect', 'before the reply of report']
const DELETED = ['before delete is sent', 'after delete took effect', 'before the reply of report']

/** Asks again with the same key, as a client does, until the answer is final. */
async function insisted(beside: BesideWorld, ask: () => Promise<WriteOutcome>): Promise<WriteOutcome> {
  for (let turn = 0; turn < 200; turn++) {
    const outcome = await beside.during(ask())
    if (outcome.kind === 'done' || (outcome.kind === 'refused' && !isRetryable(outcome.problem.code)))
      return outcome
    await beside.pass(10_000)
  }
  throw new Error('no final answer')
}

/** Promised: one row, one object of it with the controller's finalizer, the address in the controller's memory. */
async function expectPromised(beside: BesideWorld, died: string | undefined): Promise<void> {
  expect(await lease(beside), died).toMatchObject({ state: 'bound', contested: false, v4: '10.16.0.150' })
  const { metadata, spec } = beside.ip('a.default') ?? {}
  expect(metadata?.finalizers, died).toEqual([FINALIZER])
  expect(spec, died).toMatchObject({ v4IpAddress: '10.16.0.150', macAddress: (await lease(beside))?.mac })
  expect(using(beside), died).toBe('10.16.0.150')
  await expectAgreement(beside.world)
}

/** Nothing: no row, no object, nothing in the controller's memory. */
async function expectNothing(beside: BesideWorld, died: string | undefined): Promise<void> {
  expect(await lease(beside), died).toBeUndefined()
  expect(beside.ip('a.default'), died).toBeUndefined()
  expect(using(beside), died).toBe('')
  await expectAgreement(beside.world)
}

describe('Berth dies beside the controller', () => {
  test.each([false, true])(
    'at each point of a reserve (P1-P8), retried: %s: promised once, or nothing',
    async (retried) => {
      const names = await atEachPoint(async (n) => {
        const beside = await BesideWorld.start({ settings: { quarantineMs: 0 } })
        const command = beside.world.reserveCommand([WISH], { idempotencyKey: 'k' })
        const ask = () => reserve(beside.ports, command)
        const died = await dyingAt(beside, n, () => beside.during(ask()))
        if (retried) {
          const outcome = reserved(await insisted(beside, ask))
          await beside.pass(QUIET_MS)
          await expectPromised(beside, died)
          expect(reserved(await beside.during(ask()))).toEqual(outcome)
        } else {
          await beside.pass(QUIET_MS)
          // P1: nothing was written down. From P2 on the alarm rolls forward.
          if (n === 0 && died !== undefined) await expectNothing(beside, died)
          else await expectPromised(beside, died)
        }
        return died
      })
      expect(names).toEqual(expect.arrayContaining(CREATED))
    },
    120_000,
  )

  test('at each point of a reserve that turns back, past its deadline (P9-P11): fenced, and nothing left', async () => {
    const names = await atEachPoint(async (n) => {
      const beside = await BesideWorld.start({ settings: { quarantineMs: 0 } })
      beside.controller.pause()
      const isDeleted = () => beside.world.sent.some(({ verb }) => verb === 'delete')
      const turnBack = async () => {
        while (!isDeleted()) await beside.pass(1_000)
        beside.controller.continue()
        await beside.pass(QUIET_MS)
      }
      const work = async () => {
        await beside.reserve(WISH)
        await turnBack()
      }
      // The fence begins with our own finalizer; what was before is a reserve like any other.
      const died = await dyingAt(beside, n, work, 'before patch is sent')
      if (died !== undefined) await turnBack()
      await expectNothing(beside, died)
      // The address is there for the next one.
      expect(reserved(await beside.reserve(WISH))[0]).toMatchObject({ v4IpAddress: '10.16.0.150' })
      return died
    }, FENCE_POINTS)
    expect(names).toEqual(expect.arrayContaining(['after patch took effect', ...DELETED]))
  }, 300_000)

  test('at each point of a release (P13-P20): promised still, or given back for good', async () => {
    const names = await atEachPoint(async (n) => {
      const beside = await BesideWorld.start({ settings: { quarantineMs: 0 } })
      reserved(await beside.reserve(WISH))
      const command = beside.world.releaseCommand('a.default', { idempotencyKey: 'r' })
      const ask = () => release(beside.ports, command)
      const died = await dyingAt(beside, n, () => beside.during(ask()))
      const begun = (await lease(beside))?.state !== 'bound'
      await beside.pass(QUIET_MS)
      if (begun) await expectNothing(beside, died)
      else await expectPromised(beside, died)
      const gone = reserved(await insisted(beside, ask))
      expect(gone[0]?.state, died).toBe('free')
      expect(reserved(await beside.during(ask())), died).toEqual(gone)
      await beside.pass(QUIET_MS)
      await expectNothing(beside, died)
      return died
    })
    expect(names).toEqual(expect.arrayContaining(DELETED))
    expect(names.length).toBeLessThan(60)
  }, 300_000)
})
