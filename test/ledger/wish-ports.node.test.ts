import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { OvnEvidence } from '../../shared/ovn/port.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered } from '../support/drive.ts'
import { byHand, make, mirrored, object, owner, rows, states } from '../support/foreign.ts'
import { FakePorts } from '../support/ports.ts'
import { Steps } from '../support/steps.ts'
import { Killed, refusal, type World } from '../support/world.ts'

const NAME = 'a.default'

/** A world that looks after ports and follows the cluster. */
async function lab(subnet?: object) {
  const ports = new FakePorts()
  const world = await mirrored({ ovn: true }, subnet)
  world.ovn = ports
  return { world, ports }
}

const wish = (spec: object = {}): KubeObject => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IP',
  metadata: { name: NAME },
  spec: { subnet: 'ovn-default', podType: '', namespace: 'default', podName: 'a', ...spec },
})

async function told(world: World, ms = 5_000): Promise<void> {
  await world.mirror.changes()
  await world.pass(ms)
  await world.mirror.changes()
}

const refusals = (world: World) =>
  world
    .sql()
    .all<{ refused: string | null }>('SELECT refused FROM claim')
    .map(({ refused }) => refused)

describe('a wish written as an object', () => {
  it('is completed once OVN has said that name and address are vacant', async () => {
    const { world, ports } = await lab()
    make(world, wish())
    ports.intercept = (_, pass) => {
      expect(world.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
      return pass()
    }
    await told(world)
    expect(ports.asked.map(({ verb }) => verb)).toEqual(['name', 'address'])
    expect(states(world, NAME)).toEqual(['bound'])
  })

  it('gets another address where a port carries the one chosen', async () => {
    const { world, ports } = await lab()
    ports.add('stray.default', 'default/stray', '10.16.0.2')
    const { uid } = make(world, wish()).metadata
    const holds: unknown[] = []
    ports.intercept = (request, pass) => {
      if (request.verb === 'address') holds.push(rows(world).find(({ nic }) => nic === NAME)?.uid)
      return pass()
    }
    await told(world)
    // The hold knows its object, the second as the first: news of it is no news.
    expect(holds).toEqual([uid, uid])
    expect(object(world, NAME)?.spec).toMatchObject({ v4IpAddress: '10.16.0.3', ipAddress: '10.16.0.3' })
    expect(states(world, NAME)).toEqual(['bound'])
    expect(await world.ledger().find('port/stray.default')).toMatchObject({ state: 'quarantined' })
    await expectAgreement(world)
  })

  it.each<[string, object, string, string, string]>([
    ['carries what it says', { v4IpAddress: '10.16.0.9' }, 'stray', 'default/stray', 'carries the address'],
    ['of somebody else has its name', {}, 'a', 'default/other', 'its pod is "default/other"'],
    ['of its name was left behind', {}, 'a', 'default/a', 'remove what is left of it'],
  ])('is refused while a port %s, and granted after', async (_, spec, name, pod, why) => {
    const { world, ports } = await lab()
    ports.add(`${name}.default`, pod, '10.16.0.9')
    const made = make(world, wish(spec))
    await told(world)
    expect(object(world, NAME)).toEqual(made)
    expect(refusals(world)).toEqual([expect.stringContaining(why)])
    await expectAgreement(world)
    ports.ports.clear()
    await told(world, 61_000)
    expect(states(world, NAME)).toEqual(['bound'])
  })

  it('is refused where ports carry all there is, and granted when one goes', async () => {
    const { world, ports } = await lab({ cidrBlock: '10.16.0.0/29', gateway: '10.16.0.1' })
    for (const last of [2, 3, 4, 5, 6]) ports.add(`s${last}.default`, `default/s${last}`, `10.16.0.${last}`)
    const made = make(world, wish())
    await told(world)
    expect(object(world, NAME)).toEqual(made)
    expect(refusals(world)).toEqual([expect.stringContaining('no other is left')])
    ports.ports.clear()
    await told(world, 200_000)
    expect(states(world, NAME)).toEqual(['bound'])
    await expectAgreement(world)
  })

  it('of a Pod that runs with it is granted, whose port that is', async () => {
    const { world, ports } = await lab()
    owner(world, 'a', { status: { phase: 'Running', podIP: '10.16.0.77' } })
    ports.add(NAME, 'default/a', '10.16.0.77')
    make(world, wish({ v4IpAddress: '10.16.0.77' }))
    await told(world)
    expect(states(world, NAME)).toEqual(['bound'])
    expect(ports.cuts).toEqual([])
  })

  it('waits while OVN does not say, and is told why', async () => {
    const { world, ports } = await lab()
    const later: OvnEvidence = { result: 'later', reason: 'no_leader', detail: 'no server leads' }
    ports.intercept = () => later
    const made = make(world, wish())
    await told(world, 60_000)
    expect(object(world, NAME)).toEqual(made)
    expect(refusals(world)).toEqual([expect.stringContaining('OVN did not say in time')])
    ports.intercept = (_, pass) => pass()
    await told(world, 120_000)
    expect(states(world, NAME)).toEqual(['bound'])
  })

  it('ends the same wherever the process dies', async () => {
    for (let n = 0; ; n++) {
      const { world, ports } = await lab()
      ports.add('stray.default', 'default/stray', '10.16.0.2')
      const steps = new Steps(world)
      make(world, wish())
      let passed = 0
      let died = false
      world.point = (name) => {
        if (died || passed++ !== n) return
        died = true
        throw new Killed(name)
      }
      await told(world).catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error
      })
      world.point = () => {}
      if (died) world.restart()
      await world.mirror.list('ovn-default')
      await world.pass(100_000)
      await world.mirror.changes()
      expect(states(world, NAME), `at point ${n}`).toEqual(['bound'])
      expect(object(world, NAME)?.spec?.v4IpAddress, `at point ${n}`).not.toBe('10.16.0.2')
      expect(steps.violations).toEqual([])
      await expectAgreement(world)
      if (died) continue
      expect(n).toBeGreaterThan(8)
      return
    }
  })
})

it('a reserve that meets a bare object of its owner is refused where that one’s port is there', async () => {
  const { world, ports } = await lab()
  const port = ports.add(NAME, 'default/a', '10.16.0.9')
  const made = byHand(world, { verb: 'create', object: wish() })
  const outcome = await answered(world, reserve(world.ports, world.reserveCommand([{ podName: 'a' }])))
  expect(refusal(outcome)).toMatchObject({
    code: 'port_exists',
    detail: expect.stringContaining('its IP object says no address'),
  })
  expect([object(world, NAME), ports.ports.get(NAME)]).toEqual([made, port])
})
