import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { ReserveItem } from '../../shared/command/types.ts'
import { History, type How, type Operation } from '../support/history.ts'
import type { Fault } from '../support/weather.ts'

/** HISTORIES=5000 npx vitest run test/ledger/history.node.test.ts, for a long look. */
const HISTORIES = Number(process.env.HISTORIES ?? 150)
const SEED = Number(process.env.SEED ?? 1)

const PODS = ['a', 'b', 'c', 'd', 'e', 'f']

/** The shapes a Subnet changes between; the first is how it begins. */
const SHAPES: Readonly<Record<string, readonly object[]>> = {
  small: [
    { cidrBlock: '10.9.0.0/29' },
    { cidrBlock: '10.9.0.0/30' },
    { cidrBlock: '10.9.0.0/28' },
    { cidrBlock: '10.9.0.0/29', excludeIps: ['10.9.0.3..10.9.0.4'] },
    { cidrBlock: '10.9.0.0/29', gateway: '10.9.0.3' },
    { cidrBlock: '10.9.0.8/29' },
  ],
  dual: [
    { cidrBlock: '10.8.0.0/29,fd00:8::/125' },
    { cidrBlock: '10.8.0.0/30,fd00:8::/125' },
    { cidrBlock: '10.8.0.0/29,fd00:8::/126' },
    { cidrBlock: '10.8.0.0/28,fd00:8::/124', excludeIps: ['fd00:8::3', '10.8.0.4'] },
    { cidrBlock: '10.8.0.0/29,fd00:8::8/125' },
  ],
  six: [{ cidrBlock: 'fd00:6::/125' }, { cidrBlock: 'fd00:6::/126' }],
}
const SUBNETS = Object.keys(SHAPES)

const wishV4: Readonly<Record<string, readonly string[]>> = {
  small: [
    '10.9.0.2',
    '10.9.0.3',
    '10.9.0.6',
    '10.9.0.1',
    '10.9.0.0',
    '10.9.0.7',
    '10.9.0.10',
    '10.7.0.1',
    '10.9.0.300',
  ],
  dual: ['10.8.0.2', '10.8.0.5', '10.8.0.1', 'fd00:8::2'],
  six: ['10.9.0.2'],
}
const wishV6: Readonly<Record<string, readonly string[]>> = {
  small: ['fd00:9::2'],
  dual: ['fd00:8::2', 'fd00:8::6', 'fd00:8::1', 'fd00:9::1'],
  six: ['fd00:6::2', 'fd00:6::5', 'fd00:6::', '::ffff:10.0.0.1'],
}
const MACS = ['00:00:00:00:00:0a', '00:00:00:00:00:0b', '01:00:00:00:00:01']

const pick = <T>(of: readonly T[]) => fc.constantFrom(...of)
/** Absent `absent` times out of that and one. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>, absent: number) =>
  fc.oneof({ weight: absent, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const present = (value: object) =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined))

const item = (subnet: string): fc.Arbitrary<Partial<ReserveItem>> =>
  fc
    .record({
      subnet: fc.constant(subnet),
      podName: pick(PODS),
      podType: maybe(pick(['StatefulSet', 'VirtualMachine'] as const), 5),
      v4IpAddress: maybe(pick(wishV4[subnet] ?? []), 3),
      v6IpAddress: maybe(pick(wishV6[subnet] ?? []), 4),
      macAddress: maybe(pick(MACS), 6),
    })
    .map(present)

const fault = (verbs: readonly Fault['verb'][]): fc.Arbitrary<Fault> =>
  fc.record({
    verb: pick(verbs),
    how: pick(['lost', 'applied', 'straggles', 'invalid', 'busy'] as const),
    times: pick([1, 2, 100]),
  })

const how = (verbs: readonly Fault['verb'][], beside?: fc.Arbitrary<Operation>): fc.Arbitrary<How> =>
  fc
    .record({
      key: maybe(pick(['k1', 'k2', 'k3']), 3),
      dryRun: maybe(fc.constant(true), 8),
      fault: maybe(fault(verbs), 2),
      dies: maybe(fc.integer({ min: 0, max: 22 }), 5),
      beside: beside ? maybe(beside, 5) : fc.constant(undefined),
    })
    .map(present)

const reserving = (beside?: fc.Arbitrary<Operation>): fc.Arbitrary<Operation> =>
  pick(SUBNETS).chain((subnet) =>
    fc.record({
      do: fc.constant('reserve' as const),
      items: fc.oneof(
        { weight: 4, arbitrary: fc.tuple(item(subnet)) },
        { weight: 1, arbitrary: fc.array(item(subnet), { minLength: 2, maxLength: 4 }) },
      ),
      how: how(['create', 'get', 'delete', 'patch'], beside),
    }),
  )

const releasing = (beside?: fc.Arbitrary<Operation>): fc.Arbitrary<Operation> =>
  fc.record({
    do: fc.constant('release' as const),
    pods: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(pick(PODS)) },
      { weight: 1, arbitrary: fc.array(pick(PODS), { minLength: 2, maxLength: 3 }) },
    ),
    how: how(['delete', 'patch', 'get'], beside),
  })

const any = fc.oneof(reserving(), releasing())

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 10, arbitrary: reserving(any) },
  { weight: 6, arbitrary: releasing(any) },
  {
    weight: 3,
    arbitrary: pick(SUBNETS).chain((subnet) =>
      fc.record({
        do: fc.constant('configure' as const),
        subnet: fc.constant(subnet),
        spec: pick(SHAPES[subnet] ?? []),
        dryRun: pick([false, false, false, true]),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('remove' as const), subnet: pick(SUBNETS), dryRun: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), subnet: pick(SUBNETS) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: pick([100, 16_000, 90_000, 400_000]) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      ms: pick([-3_600_000, 1_800_000, 315_360_000_000]),
    }),
  },
)

/** How each history begins: with its Subnets. */
const first = () =>
  SUBNETS.map(
    (subnet): Operation => ({ do: 'configure', subnet, spec: SHAPES[subnet]?.[0] ?? {}, dryRun: false }),
  )

describe('any history', () => {
  it('four times as long, through days, keeps what it said', { timeout: 240_000 }, async () => {
    const slow: fc.Arbitrary<Operation> = fc.oneof(
      { weight: 12, arbitrary: operation },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: pick([6 * 3_600_000]) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(slow, { minLength: 60, maxLength: 100 }), async (operations) => {
        const history = new History(SUBNETS, 300_000)
        await history.run([...first(), ...operations])
      }),
      { seed: SEED, numRuns: Math.ceil(HISTORIES / 15) },
    )
  })

  it.each([0, 300_000])(
    'keeps every promise and leaves ledger, pages and cluster in agreement (cool-down %i)',
    { timeout: 240_000 },
    async (quarantineMs) => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), async (operations) => {
          const history = new History(SUBNETS, quarantineMs)
          await history.run([...first(), ...operations])
        }),
        { seed: SEED, numRuns: HISTORIES },
      )
    },
  )
})
