import { expect, it } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { reserved, World } from '../support/world.ts'

it('a release repeated under its key never touches what took the name in another Subnet since', async () => {
  const world = new World()
  reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'dual-stack' }])))
  const command = world.releaseCommand('pod-a.default', { idempotencyKey: 'k' })
  const first = reserved(await release(world.ports, command))
  reserved(await reserve(world.ports, world.reserveCommand([{}])))
  expect(reserved(await release(world.ports, command))).toEqual(first)
  const found = await reservation(world.ports, 'pod-a.default')
  expect(found.ok && [found.value.subnet, found.value.state]).toEqual(['ovn-default', 'bound'])
})
