import { describe, expect, it } from 'vitest'
import { reservations } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { isSilent, subnets } from '../../shared/command/subnet-list.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { driven } from '../support/drive.ts'
import { World } from '../support/world.ts'

const fails = async (): Promise<never> => {
  throw new Error('the ledger does not answer')
}
const hangs = () => new Promise<never>(() => {})

/** Every call to one Subnet's ledger ends like this. */
function silent(world: World, name: string, how: () => Promise<never>): CommandPorts {
  const mute = new Proxy({} as LedgerPort, { get: () => how })
  return { ...world.ports, ledger: (subnet) => (subnet === name ? mute : world.ports.ledger(subnet)) }
}

describe.each([
  ['fails', fails],
  ['hangs', hangs],
])('a ledger that %s', (_, how) => {
  it('costs the list of Subnets its own counts only', async () => {
    const world = new World()
    const listed = await driven(world, subnets(silent(world, 'dual-stack', how)), 10_000)
    if (!listed.ok) throw new Error(listed.error.detail)
    const [dual, ovn] = listed.value
    expect(dual).toEqual({
      name: 'dual-stack',
      cidrBlock: '10.17.0.0/16,fd00:10:17::/112',
      gateway: '10.17.0.1,fd00:10:17::1',
      excludeIps: ['10.17.0.1', 'fd00:10:17::1'],
      provider: 'ovn',
      vpc: 'ovn-cluster',
      default: false,
      problem: { code: 'unavailable', detail: 'its ledger does not answer', retryAfterMs: 1_000 },
    })
    expect(ovn).toMatchObject({ name: 'ovn-default', v4usingIPs: 0n })
    expect(listed.value.map(isSilent)).toEqual([true, false])
  })
})

it('a ledger that fails refuses the list of reservations: what it holds would be missing', async () => {
  const world = new World()
  const page = reservations(silent(world, 'dual-stack', fails), {}, { limit: 10 })
  await expect(page).rejects.toThrow('the ledger does not answer')
})

it('a ledger that fails does not refuse the reservations of another Subnet', async () => {
  const world = new World()
  const page = await reservations(
    silent(world, 'dual-stack', fails),
    { subnet: 'ovn-default' },
    { limit: 10 },
  )
  expect(page.ok).toBe(true)
})

it('a Subnet that no ledger can keep is in the list, with the reason', async () => {
  const world = new World()
  world.store.send([
    {
      verb: 'create',
      object: {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'odd' },
        spec: { cidrBlock: 'x' },
      },
    },
  ])
  const listed = await subnets(world.ports)
  expect(listed.ok && listed.value.find(({ name }) => name === 'odd')).toMatchObject({
    problem: { code: 'invalid_address' },
  })
  expect(listed.ok && listed.value.some(isSilent)).toBe(false)
})
