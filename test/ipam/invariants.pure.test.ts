import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contiguous, kubeOvnOrder, longestReleasedFirst } from '../../shared/ipam/strategy.ts'
import { SubnetAllocator } from '../../shared/ipam/subnet.ts'
import type { AllocateRequest, Capacity, DirtyPage, SubnetConfig } from '../../shared/ipam/types.ts'
import { ok } from '../../shared/result.ts'
import { type Build, operations, Run } from './harness.ts'

const property = (make?: Build, strategy = kubeOvnOrder) =>
  fc.property(operations, (ops) => new Run(make, strategy).all(ops))

describe('random operations keep invariants 1, 2, 6-10, 14 and 19', () => {
  it.each([kubeOvnOrder, contiguous, longestReleasedFirst])('in $name order', (strategy) => {
    fc.assert(property(undefined, strategy), { numRuns: 400, seed: 20_260 })
  })
})

/** Cores that are broken in one way each. The property that guards the invariant must go red. */
const broken: readonly [number, string, Build][] = [
  [
    1,
    'does not look who holds an address',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override refuseStatic(family: 4 | 6, address: number | bigint) {
          const refusal = super.refuseStatic(family, address, true)
          return refusal?.reason === 'address-held' ? undefined : refusal
        }
      })(config, ports),
  ],
  [
    2,
    'draws one MAC for all',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override drawMac() {
          return ok('02:00:00:00:00:99')
        }
      })(config, ports),
  ],
  [
    6,
    'gives a port that asks again another lease',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override allocate(request: AllocateRequest<string>) {
          const held = this.leases.byNic(request.nic)
          if (held !== undefined) this.release(held.nic, held.owner)
          return super.allocate(request)
        }
      })(config, ports),
  ],
  [
    7,
    'counts one too many',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override capacity(): Capacity {
          const { v4, v6 } = super.capacity()
          return { v4: { ...v4!, free: v4!.free + 1n }, v6: v6! }
        }
      })(config, ports),
  ],
  [
    8,
    'does not give back what it releases',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override release(nic: string, owner: string) {
          const result = super.release(nic, owner)
          if (result.ok) this.space(4)!.take(result.value.v4!)
          return result
        }
      })(config, ports),
  ],
  [
    9,
    'does not refuse the gateway',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override refuseStatic(family: 4 | 6, address: number | bigint) {
          const refusal = super.refuseStatic(family, address, true)
          return refusal?.reason === 'gateway' ? undefined : refusal
        }
      })(config, ports),
  ],
  [
    10,
    'keeps the first half when the second fails',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override allocate(request: AllocateRequest<string>) {
          const result = super.allocate(request)
          const first = this.space(4)!.pools.get('')!.free.next()
          if (!result.ok && result.error.family === 6 && first !== undefined) this.space(4)!.take(first)
          return result
        }
      })(config, ports),
  ],
  [
    14,
    'drops what falls out, as Kube-OVN does',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override configure(next: SubnetConfig) {
          const report = super.configure(next)
          for (const { nic } of report.fellOut) this.leases.remove(nic)
          return report
        }
      })(config, ports),
  ],
  [
    19,
    'forgets to write released pages',
    (config, ports) =>
      new (class extends SubnetAllocator<string> {
        override takeDirtyPages(): readonly DirtyPage[] {
          return super.takeDirtyPages().filter(({ key }) => !key.includes('released'))
        }
      })(config, ports),
  ],
]

describe('each invariant is seen to break', () => {
  it.each(broken)('%i: a core that %s', (invariant, _, make) => {
    const found = fc.check(property(make), { numRuns: 600, seed: 4, endOnFailure: true })
    expect(found.failed).toBe(true)
    expect(String(found.errorInstance)).toMatch(new RegExp(`invariant ${invariant}:`))
  })
})
