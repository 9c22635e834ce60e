import { describe, expect, it } from 'vitest'
import { operation, reservation } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { mayHaveLedger, spared } from '../../shared/command/spared.ts'
import { deleteSubnet, putSubnet, subnet, suggest } from '../../shared/command/subnets.ts'
import { validate } from '../../shared/command/validate.ts'
import { put, subnetManifest } from '../support/drive.ts'
import { reserved, World } from '../support/world.ts'

const NOWHERE = 'nowhere'

/** The ports as the composition root has them, and which ledgers were reached. */
function sparing(world: World) {
  const reached = new Set<string>()
  const ports: CommandPorts = {
    ...world.ports,
    ledger: (name) =>
      spared(
        // The world's port has no members to copy before they are asked for.
        new Proxy(
          Object.fromEntries(
            Object.getOwnPropertyNames(Object.getPrototypeOf(world.ledger(name))).map((verb) => [
              verb,
              undefined,
            ]),
          ),
          {
            get: (_, verb) => {
              const call = Reflect.get(world.ports.ledger(name), verb) as (...given: unknown[]) => unknown
              return (...given: unknown[]) => {
                reached.add(name)
                return call(...given)
              }
            },
          },
        ) as unknown as ReturnType<CommandPorts['ledger']>,
        () => mayHaveLedger(world.ports.cluster, name),
      ),
  }
  return { ports, reached }
}

const wish = (world: World, name: string, more = {}) => world.reserveCommand([{ subnet: name }], more)
const target = { namespace: 'default', podName: 'pod-a', subnet: NOWHERE }

type Ask = (ports: CommandPorts, world: World) => Promise<unknown>

describe('a Subnet that does not exist', () => {
  it.each<readonly [string, Ask]>([
    ['GET of it', (ports) => subnet(ports, NOWHERE)],
    ['GET of a reservation in it', (ports) => reservation(ports, 'pod-a.default', NOWHERE)],
    [
      'GET of an operation in it',
      (ports) => operation(ports, `op_01kdyak3se4sar5br1tepv_default~${NOWHERE}`),
    ],
    ['a suggestion', (ports) => suggest(ports, NOWHERE, { count: 1, contiguous: false })],
    ['its removal', (ports) => deleteSubnet(ports, NOWHERE, false)],
    [
      'a preview of it',
      (ports) => putSubnet(ports, subnetManifest({ cidrBlock: '10.1.0.0/24' }, NOWHERE), true),
    ],
    ['a reserve', (ports, world) => reserve(ports, wish(world, NOWHERE, { idempotencyKey: 'k' }))],
    ['a dry run', (ports, world) => reserve(ports, wish(world, NOWHERE, { dryRun: true }))],
    ['a validation', (ports, world) => validate(ports, wish(world, NOWHERE))],
    ['a release', (ports, world) => release(ports, world.releaseCommand('', { targets: [target] }))],
  ])('is answered to %s as its empty ledger would answer, which is not asked', async (_, ask) => {
    const world = new World()
    const { ports, reached } = sparing(world)
    const told = await ask(ports, world)
    expect([...reached]).not.toContain(NOWHERE)
    expect(told).toEqual(await ask(world.ports, world))
  })

  it('any more is still answered by its ledger while IP objects of it are left', async () => {
    const world = new World()
    const { ports, reached } = sparing(world)
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const command = wish(world, 'lab', { idempotencyKey: 'k' })
    const made = await reserve(ports, command)
    const uid = (await world.ledger('lab').view())?.facts.uid ?? ''
    world.store.send([{ verb: 'delete', ref: { kind: 'Subnet', name: 'lab' }, uid }])
    reached.clear()
    expect(await reserve(ports, command)).toEqual(made)
    expect(await subnet(ports, 'lab')).toMatchObject({ ok: true, value: { orphaned: true } })
    expect([...reached]).toEqual(['lab'])
    reserved(
      await release(
        ports,
        world.releaseCommand('pod-a.default', { targets: [{ name: 'pod-a.default', subnet: 'lab' }] }),
      ),
    )
  })
})

describe('a cluster that does not answer', () => {
  it('keeps nobody from the ledger', async () => {
    const world = new World()
    const away = { reason: 'Unavailable', outcome: 'unknown', message: 'away' } as const
    world.intercept = async (requests) => requests.map(() => ({ ok: false, error: away }))
    expect(await mayHaveLedger(world.ports.cluster, NOWHERE)).toBe(true)
  })
})
