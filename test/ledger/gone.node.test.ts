import { describe, expect, it } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { deleteSubnet, subnet } from '../../shared/command/subnets.ts'
import { put } from '../support/drive.ts'
import { refusal, reserved, World } from '../support/world.ts'

const inLab = (podName: string) => ({ subnet: 'lab', podName })

const stateOf = async (world: World, name: string) => {
  const found = await reservation(world.ports, name, 'lab')
  return found.ok ? [found.value.state, found.value.contested ?? false] : undefined
}

describe('a Subnet whose object is gone, though nobody told its ledger', () => {
  async function lostSubnet(pods: readonly string[]) {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    for (const pod of pods) reserved(await reserve(world.ports, world.reserveCommand([inLab(pod)])))
    const uid = (await world.ledger('lab').view())?.facts.uid ?? ''
    world.store.send([{ verb: 'delete', ref: { kind: 'Subnet', name: 'lab' }, uid }])
    return { world, uid }
  }

  it.each<readonly [string, (world: World) => Promise<unknown>]>([
    ['looks at it', (world) => subnet(world.ports, 'lab')],
    ['removes it again', (world) => deleteSubnet(world.ports, 'lab', false)],
  ])('is 404 to whoever %s, and forgotten', async (_, ask) => {
    const { world } = await lostSubnet([])
    expect(await ask(world)).toMatchObject({ ok: false, error: { code: 'unknown_subnet' } })
    expect(await world.ledger('lab').view()).toBeUndefined()
    expect(refusal(await reserve(world.ports, world.reserveCommand([inLab('a')]))).code).toBe(
      'unknown_subnet',
    )
  })

  it('is shown orphaned while reservations are left', async () => {
    const { world } = await lostSubnet(['a'])
    expect(await subnet(world.ports, 'lab')).toMatchObject({ ok: true, value: { orphaned: true } })
    expect(refusal(await reserve(world.ports, world.reserveCommand([inLab('b')]))).code).toBe(
      'unknown_subnet',
    )
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect(await subnet(world.ports, 'lab')).toMatchObject({ ok: false, error: { code: 'unknown_subnet' } })
  })

  it('is not taken for gone because another was made between two looks', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const [reply] = world.store.send([{ verb: 'get', ref: { kind: 'Subnet', name: 'lab' } }])
    const { uid = '' } = (reply?.ok && reply.value.metadata) || {}
    world.store.send([{ verb: 'delete', ref: { kind: 'Subnet', name: 'lab' }, uid }])
    let looked = false
    world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (!looked && requests[0]?.verb === 'get') {
        looked = true
        await put(world, { cidrBlock: '10.30.1.0/24' })
      }
      return replies
    }
    await subnet(world.ports, 'lab')
    world.intercept = (requests, pass) => pass(requests)
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    expect(await subnet(world.ports, 'lab')).toMatchObject({ ok: true })
  })
})

describe('a Subnet made anew under the name of one that was removed', () => {
  it('gives a key’s answer again, and carries out nothing twice', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const command = world.reserveCommand([inLab('a')], { idempotencyKey: 'the-key' })
    const first = await reserve(world.ports, command)
    reserved(first)
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect(await deleteSubnet(world.ports, 'lab', false)).toMatchObject({ ok: true })
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(await reserve(world.ports, command)).toEqual(first)
    expect(await stateOf(world, 'a.default')).toBeUndefined()
    const other = world.reserveCommand([inLab('b')], { idempotencyKey: 'the-key' })
    expect(refusal(await reserve(world.ports, other)).code).toBe('idempotency_mismatch')
  })
})

describe('an orphaned Subnet', () => {
  it('takes no new promise and lets go of old ones', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    const uid = (await world.ledger('lab').view())?.facts.uid ?? ''
    world.store.send([{ verb: 'delete', ref: { kind: 'Subnet', name: 'lab' }, uid }])
    await world.ledger('lab').subnetGone(uid)
    expect(refusal(await reserve(world.ports, world.reserveCommand([inLab('b')]))).code).toBe(
      'unknown_subnet',
    )
    expect(await stateOf(world, 'a.default')).toEqual(['bound', false])
    expect(reserved(await release(world.ports, world.releaseCommand('a.default')))[0]?.state).toBe('free')
  })
})
