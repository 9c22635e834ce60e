import { describe, expect, it } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { putSubnet, subnet } from '../../shared/command/subnets.ts'
import { elapse, QUICK, SLOW } from '../../shared/elapsed.ts'
import { expectAgreement } from '../support/agreement.ts'
import { driven, first, lost, put, refuse, subnetManifest, warm } from '../support/drive.ts'
import { reserved, World } from '../support/world.ts'

const HOUR_MS = 3_600_000
const YEARS_MS = 315_360_000_000

describe('the ledger’s clocks', () => {
  const state = { ledgerMs: 1, slowMs: 1, wallMs: 1_000_000_000_000 }
  it.each([
    ['stands still', 0, 0, 0],
    ['goes back', -HOUR_MS, 0, 0],
    ['goes on', 4_000, 4_000, 4_000],
    ['goes on as far as is believed', QUICK.maxStepMs, QUICK.maxStepMs, QUICK.maxStepMs],
    ['leaps further', QUICK.maxStepMs + 1, QUICK.doubtedMs, QUICK.maxStepMs + 1],
    ['leaps as far as the slow clock believes', SLOW.maxStepMs, QUICK.doubtedMs, SLOW.maxStepMs],
    ['leaps an hour', HOUR_MS, QUICK.doubtedMs, SLOW.doubtedMs],
    ['leaps ten years', YEARS_MS, QUICK.doubtedMs, SLOW.doubtedMs],
  ])('when the wall clock %s (%i ms) go on by %i and %i ms', (_, stepMs, quick, slow) => {
    const wallMs = state.wallMs + stepMs
    expect(elapse(state, wallMs)).toEqual({ ledgerMs: 1 + quick, slowMs: 1 + slow, wallMs })
  })

  it('pay for one hidden lie and five open ones out of their leeway', () => {
    for (const { maxStepMs, doubtedMs, leewayMs, lookEveryMs } of [QUICK, SLOW]) {
      expect(leewayMs).toBeGreaterThanOrEqual(maxStepMs + 5 * doubtedMs)
      expect(lookEveryMs).toBeLessThan(maxStepMs)
    }
  })
})

describe.each([
  ['an hour', HOUR_MS],
  ['ten years', YEARS_MS],
])('a wall clock that jumps %s ahead', (_, jumpMs) => {
  it('proves no POST gone that may still land: landing late it is bound', async () => {
    const world = await warm()
    let straggler: readonly ClusterRequest[] = []
    world.intercept = (requests, pass) => {
      if (!requests.some(({ verb }) => verb === 'create')) return pass(requests)
      straggler = requests
      return refuse(lost)(requests)
    }
    await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    world.clock.jump(jumpMs)
    await world.pass(world.settings.stragglerMs - 7_000)
    world.store.send(straggler)
    await world.pass(200_000)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound' })
    await expectAgreement(world)
  })

  it('does not end the wait for an announced write: landing late it is seen by the next hold', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    let late: readonly ClusterRequest[] = []
    world.intercept = first(1, 'replace', async (requests) => {
      late = requests
      return refuse(lost)(requests)
    })
    const manifest = subnetManifest({ cidrBlock: '10.30.1.0/24', excludeIps: ['10.30.1.2..10.30.1.9'] })
    expect((await putSubnet(world.ports, manifest, false)).ok).toBe(false)
    world.clock.jump(jumpMs)
    await world.pass(world.settings.stragglerMs, 'lab')
    // Whoever asks now must look at the Subnet object, and is the last to see it as it was.
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }])))
    world.store.send(late)
    const [second] = reserved(
      await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName: 'b' }])),
    )
    expect(second?.v4IpAddress).toBe('10.30.1.10')
    expect((await subnet(world.ports, 'lab')).ok).toBe(true)
  })
})

describe('a process that is down past a reserve’s deadline', () => {
  it('has given it up when it comes back, though its quick clock has hardly moved', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', () => new Promise(() => {}))
    void reserve(world.ports, world.reserveCommand([{}])).catch(() => {})
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    world.clock.advance(HOUR_MS)
    world.restart()
    await world.pass(300_000)
    expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(1)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    await expectAgreement(world)
  })
})
