import { describe, expect, it } from 'vitest'
import { MapLeaseIndex } from '../../shared/ipam/lease-index.ts'
import { PAGE_HEAD_BYTES, PageError } from '../../shared/ipam/page.ts'
import { longestReleasedFirst } from '../../shared/ipam/strategy.ts'
import { SubnetAllocator } from '../../shared/ipam/subnet.ts'
import { MapPageStore, picture, seededRandom, subnetOf } from './harness.ts'

const ports = (pages?: MapPageStore) => ({
  leases: new MapLeaseIndex<string>(),
  random: seededRandom(),
  ...(pages === undefined ? {} : { pages }),
})

describe('pages', () => {
  it('hold everything: a fresh core over them equals the live one', () => {
    const config = subnetOf('10.0.0.0/16,fd00::/64', { excludeIps: ['10.0.0.9', 'fd00::5'] })
    const live = new SubnetAllocator<string>(config, { ...ports(), strategy: longestReleasedFirst })
    live.setPool('p', ['10.0.1.0/24', 'fd00::1:0..fd00::1:ff'])
    live.gatewayMac = '02:00:00:00:00:77'
    for (let i = 0; i < 300; i++)
      live.allocate({ owner: `o/${i}`, nic: `n${i}`, ...(i % 3 === 0 ? { pool: 'p' } : {}) })
    for (let i = 0; i < 300; i += 7) live.release(`n${i}`, `o/${i}`)
    live.allocate({ owner: 'o/x', nic: 'x', v4: '10.0.0.9', v6: 'fd00::ffff:ffff' })
    const store = new MapPageStore()
    store.write(live.takeDirtyPages())
    const cold = new SubnetAllocator<string>(config, { ...ports(store), strategy: longestReleasedFirst })
    expect(cold.gatewayMac).toBe('02:00:00:00:00:77')
    expect(cold.capacity()).toEqual(live.capacity())
    expect(picture(cold)).toBe(picture(live))
    expect(live.takeDirtyPages()).toEqual([])
    expect(cold.takeDirtyPages()).toEqual([])
  })

  it('of a /8 are loaded when touched, counted from their heads', () => {
    const config = subnetOf('10.0.0.0/8')
    const live = new SubnetAllocator<string>(config, ports())
    for (const v4 of ['10.0.0.2', '10.64.0.0', '10.128.0.0', '10.255.0.0'])
      live.allocate({ owner: 'o/o', nic: v4, v4 })
    const store = new MapPageStore()
    store.write(live.takeDirtyPages())
    expect([...store.pages.keys()].sort()).toEqual([
      '4.free@#0',
      '4.free@#16',
      '4.free@#32',
      '4.free@#63',
      'layout',
    ])
    expect(store.pages.get('4.free@#16')!.length).toBe(PAGE_HEAD_BYTES + 32_768)
    const cold = new SubnetAllocator<string>(config, ports(store))
    expect(cold.capacity().v4?.held).toBe(4n)
    expect(store.loads).toEqual(['layout'])
    expect(cold.allocate({ owner: 'o/o', nic: 'x' })).toMatchObject({ ok: true, value: { v4: 0x0a000003 } })
    expect(store.loads).toEqual(['layout', '4.free@#0'])
    expect(cold.takeDirtyPages().map((page) => page.key)).toEqual(['4.free@#0'])
  })

  it('of a fresh Subnet are none but the layout', () => {
    const fresh = new SubnetAllocator<string>(subnetOf('10.0.0.0/8,fd00::/64'), ports())
    expect(fresh.takeDirtyPages().map((page) => page.key)).toEqual(['layout'])
  })

  it('that became dirty after a mark are clean after the rollback', () => {
    const core = new SubnetAllocator<string>(subnetOf('10.0.0.0/24,fd00::/64'), ports())
    core.allocate({ owner: 'o/a', nic: 'a' })
    core.takeDirtyPages()
    const before = picture(core)
    const mark = core.mark()
    core.allocate({ owner: 'o/b', nic: 'b' })
    core.setPool('p', ['10.0.0.64/26'])
    core.configure(subnetOf('10.0.0.0/25'))
    expect(core.takeDirtyPages().length).toBeGreaterThan(2)
    core.rollback(mark)
    expect(picture(core)).toBe(before)
    expect(core.takeDirtyPages()).toEqual([])
  })

  it('of planes that are no more are deleted', () => {
    const core = new SubnetAllocator<string>(subnetOf('10.0.0.0/24,fd00::/64'), ports())
    const store = new MapPageStore()
    core.setPool('p', ['10.0.0.64/26'])
    core.allocate({ owner: 'o/a', nic: 'a', pool: 'p' })
    core.allocate({ owner: 'o/b', nic: 'b', family: 6 })
    store.write(core.takeDirtyPages())
    core.removePool('p')
    core.configure(subnetOf('10.0.0.0/24'))
    store.write(core.takeDirtyPages())
    expect([...store.pages.keys()].filter((key) => key.startsWith('6') || key.includes('@p'))).toEqual([])
    const cold = new SubnetAllocator<string>(core.config, ports(store))
    expect(picture(cold)).toBe(picture(core))
  })

  const damage: readonly [string, (bytes: Uint8Array) => Uint8Array][] = [
    ['bad magic', (bytes) => bytes.with(0, 0x58)],
    ['another version', (bytes) => bytes.with(4, 9)],
    ['another kind', (bytes) => bytes.with(6, 3)],
    ['another family', (bytes) => bytes.with(7, 6)],
    ['another size', (bytes) => bytes.with(17, 7)],
    ['a flipped bit', (bytes) => bytes.with(PAGE_HEAD_BYTES, bytes[PAGE_HEAD_BYTES]! ^ 1)],
    ['a missing end', (bytes) => bytes.slice(0, -4)],
    ['no head', (bytes) => bytes.slice(0, 20)],
  ]
  it.each(damage)('with %s are refused', (_, spoil) => {
    const config = subnetOf('10.0.0.0/24')
    const core = new SubnetAllocator<string>(config, ports())
    core.allocate({ owner: 'o/a', nic: 'a' })
    const store = new MapPageStore()
    store.write(core.takeDirtyPages())
    store.pages.set('4.free@#0', spoil(store.pages.get('4.free@#0')!))
    const use = () => new SubnetAllocator<string>(config, ports(store)).allocate({ owner: 'o/b', nic: 'b' })
    expect(use).toThrow(PageError)
  })

  it('of another configuration are refused', () => {
    const core = new SubnetAllocator<string>(subnetOf('10.0.0.0/24'), ports())
    const store = new MapPageStore()
    store.write(core.takeDirtyPages())
    for (const other of ['10.0.0.0/25', '10.0.0.0/24,fd00::/64', '10.0.1.0/24'])
      expect(() => new SubnetAllocator<string>(subnetOf(other), ports(store))).toThrow(PageError)
    store.pages.delete('layout')
    store.pages.set('4.free@#0', new Uint8Array(PAGE_HEAD_BYTES))
    expect(() => new SubnetAllocator<string>(subnetOf('10.0.0.0/24'), ports(store))).toThrow(
      /without a layout/,
    )
  })
})
