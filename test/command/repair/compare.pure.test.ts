import { describe, expect, it } from 'vitest'
import { compare } from '../../../shared/command/repair/compare.ts'
import { DRIFT_KINDS, type Drift, type Mend, type Picture } from '../../../shared/command/repair/types.ts'
import { windowDrift } from '../../../shared/command/repair/window.ts'
import { DEPRECATED_FINALIZER, FINALIZER } from '../../../shared/kube-ovn/names.ts'
import { countersStatus } from '../../../shared/kube-ovn/subnet-status.ts'
import { COUNTERS, foreign, lease, object, pictureOf, theirs } from '../../support/repair.ts'

const pod = (name: string, ...addresses: string[]) => ({
  ...{ namespace: 'default', name, port: `${name}.default`, addresses },
})
const port = (name: string, ...addresses: string[]) => ({ name, uuid: 'u', pod: 'default/x', addresses })
const says = (counters: object, isTelling = false) => ({
  counters: { should: COUNTERS, says: counters, isTelling },
})

type Row = readonly [
  what: string,
  picture: Partial<Picture>,
  kind: Drift['kind'],
  names: readonly string[],
  act: Mend['act'] | undefined,
]

const ROWS: readonly Row[] = [
  ['a promise without object', { objects: [] }, 'missing_object', ['web.default'], 'reassert'],
  [
    'another object with its marks',
    { objects: [object({ uid: 'uid-copy' })] },
    'missing_object',
    ['web.default'],
    'reassert',
  ],
  [
    "another's object under its name",
    { objects: [object({ uid: 'uid-else', operation: '' })] },
    'foreign_holder',
    ['web.default'],
    'reassert',
  ],
  [
    'the same, marked already',
    { leases: [lease({ contested: true })], objects: [object({ uid: 'uid-else', operation: '' })] },
    'foreign_holder',
    ['web.default'],
    undefined,
  ],
  [
    "a Pod with a promise's address",
    { pods: [pod('thief', '10.16.0.5')] },
    'foreign_holder',
    ['web.default', 'default/thief'],
    undefined,
  ],
  [
    "a Pod with nobody's address",
    { pods: [pod('new', '10.16.0.9')] },
    'foreign_holder',
    ['default/new'],
    undefined,
  ],
  [
    "a port with a promise's address",
    {
      ports: [port('thief.default', '10.16.0.5')],
      objects: [object(), theirs('thief', '10.16.0.6')],
      leases: [lease(), foreign('thief', '10.16.0.6')],
    },
    'foreign_holder',
    ['web.default', 'thief.default'],
    undefined,
  ],
  [
    'the same port, whose Pod runs with it: told once',
    {
      pods: [pod('thief', '10.16.0.5')],
      ports: [port('thief.default', '10.16.0.5')],
      objects: [object(), theirs('thief', '10.16.0.6')],
      leases: [lease(), foreign('thief', '10.16.0.6')],
    },
    'foreign_holder',
    ['web.default', 'default/thief'],
    undefined,
  ],
  [
    'two objects with one address, one promised',
    { objects: [object(), theirs('thief', '10.16.0.5')], leases: [lease(), foreign('thief', '')] },
    'shared_address',
    ['thief.default', 'web.default'],
    'learn',
  ],
  [
    'the same, marked already',
    {
      objects: [object(), theirs('thief', '10.16.0.5')],
      leases: [lease({ contested: true }), foreign('thief', '')],
    },
    'shared_address',
    ['thief.default', 'web.default'],
    undefined,
  ],
  [
    "two of others' objects with one address",
    {
      objects: [object(), theirs('a', '10.16.0.7'), theirs('b', '10.16.0.7')],
      leases: [lease(), foreign('a', '10.16.0.7'), foreign('b', '')],
    },
    'shared_address',
    ['a.default', 'b.default'],
    undefined,
  ],
  [
    'an object that was edited',
    { objects: [object({ v4IpAddress: '10.16.0.6', ipAddress: '10.16.0.6' })] },
    'changed_object',
    ['web.default'],
    undefined,
  ],
  [
    'an object that moved to another Subnet (D13)',
    { objects: [object({ subnet: 'green', subnetLabel: 'green' })] },
    'changed_object',
    ['web.default'],
    undefined,
  ],
  [
    'a Pod that runs with another address than its own (R8)',
    {
      pods: [pod('web', '10.16.0.3')],
      objects: [object(), theirs('x', '10.16.0.3')],
      leases: [lease(), foreign('x', '10.16.0.3')],
    },
    'owner_elsewhere',
    ['web.default', 'default/web'],
    undefined,
  ],
  [
    'a promise outside the CIDR',
    { leases: [lease({ state: 'stranded' })], isInside: () => false },
    'stranded',
    ['web.default'],
    undefined,
  ],
  [
    'a promise outside a CIDR the ledger has not heard of',
    { isInside: () => false },
    'stranded',
    ['web.default'],
    'configure',
  ],
  [
    'a stranded one the CIDR contains again',
    { leases: [lease({ state: 'stranded' })] },
    'stranded',
    ['web.default'],
    'configure',
  ],
  [
    'the same, and somebody has its address',
    { leases: [lease({ state: 'stranded', contested: true })] },
    'stranded',
    ['web.default'],
    undefined,
  ],
  ['a lost label (D5)', { objects: [object({ reserved: '' })] }, 'label_lost', ['web.default'], 'mend'],
  [
    'a lost label of the Subnet',
    { objects: [object({ subnetLabel: '' })] },
    'label_lost',
    ['web.default'],
    'mend',
  ],
  [
    'lost annotations',
    { objects: [object({ operation: '', epoch: 0 })] },
    'label_lost',
    ['web.default'],
    'mend',
  ],
  ['no finalizer', { objects: [object({ finalizers: ['x/y'] })] }, 'finalizer', ['web.default'], 'mend'],
  [
    'the deprecated finalizer',
    { objects: [object({ finalizers: [FINALIZER, DEPRECATED_FINALIZER] })] },
    'finalizer',
    ['web.default'],
    'mend',
  ],
  [
    'no finalizer beside the controller',
    { objects: [object({ finalizers: [] })], excludeIps: ['10.16.0.1', '10.16.0.5'], authority: 'beside' },
    'finalizer',
    ['web.default'],
    undefined,
  ],
  [
    'a port without object',
    { ports: [port('gone.default', '10.16.0.9')] },
    'port_without_object',
    ['gone.default'],
    undefined,
  ],
  [
    'an object the ledger has not heard of',
    { objects: [object(), theirs('new', '10.16.0.9')] },
    'object_without_lease',
    ['new.default'],
    'learn',
  ],
  [
    'an object that took the name of one it knew',
    {
      objects: [object(), theirs('new', '10.16.0.9', { uid: 'uid-next' })],
      leases: [lease(), foreign('new', '10.16.0.9')],
    },
    'object_without_lease',
    ['new.default'],
    'learn',
  ],
  [
    'a wish for an address',
    {
      objects: [object(), theirs('wish', '10.16.0.9', { reserved: '', finalizers: [] })],
      leases: [lease(), foreign('wish', '10.16.0.9')],
    },
    'object_without_lease',
    ['wish.default'],
    undefined,
  ],
  [
    'a reserved object without reservation',
    {
      objects: [object(), theirs('old', '10.16.0.9', { reserved: 'true' })],
      leases: [lease(), foreign('old', '10.16.0.9')],
    },
    'object_without_lease',
    ['old.default'],
    'adopt',
  ],
  [
    'the same where nobody tells the ledger of objects',
    { objects: [object(), theirs('old', '10.16.0.9', { reserved: 'true' })], mirrored: false },
    'object_without_lease',
    ['old.default'],
    'adopt',
  ],
  [
    'a wish that has nothing',
    {
      objects: [object(), theirs('wish', '', { reserved: '', finalizers: [] })],
      leases: [lease(), foreign('wish', '')],
    },
    'object_without_lease',
    ['wish.default'],
    undefined,
  ],
  [
    'counters that are wrong',
    says({ ...countersStatus(COUNTERS), v4usingIPs: 2 }),
    'counter_drift',
    ['blue'],
    'counters',
  ],
  ['no counters at all', says({}), 'counter_drift', ['blue'], 'counters'],
  [
    'a window that excludeIps do not cover',
    { window: ['10.16.0.100..10.16.0.199'], excludeIps: ['10.16.0.1', '10.16.0.100..10.16.0.150'] },
    'window_drift',
    ['blue'],
    undefined,
  ],
  [
    'an address that was pinned for nobody any more',
    { pinned: ['10.16.0.9'], excludeIps: ['10.16.0.5', '10.16.0.9'], authority: 'beside' },
    'window_drift',
    ['blue'],
    'unpin',
  ],
  [
    'a promise that excludeIps do not list, beside the controller',
    { excludeIps: ['10.16.0.1'], authority: 'beside' },
    'window_drift',
    ['blue'],
    undefined,
  ],
  [
    'what was pinned, alone',
    { pinned: ['10.16.0.9'], excludeIps: ['10.16.0.1', '10.16.0.9'], authority: 'alone' },
    'window_drift',
    ['blue'],
    undefined,
  ],
]

describe('a difference', () => {
  it.each(ROWS)('%s', (_, picture, kind, names, act) => {
    const drifts = compare(pictureOf(picture))
    expect(drifts.map((drift) => [drift.kind, drift.names, drift.mend?.act])).toEqual([[kind, names, act]])
    const [drift] = drifts
    expect(drift?.differs).toMatch(/\S/)
    // What is not repaired says why; what is, what becomes of it.
    expect(drift?.repair.startsWith('none')).toBe(act === undefined)
  })

  it('of every kind is in the table', () => {
    expect(new Set(ROWS.map(([, , kind]) => kind))).toEqual(new Set(DRIFT_KINDS))
  })
})

const QUIET: readonly (readonly [string, Partial<Picture>])[] = [
  ['ledger and cluster agree', says(countersStatus(COUNTERS))],
  ['an address is pinned for a reservation', { pinned: ['10.16.0.5'], excludeIps: ['10.16.0.5'] }],
  [
    'a window has come to cover what was pinned',
    { pinned: ['10.16.0.9'], excludeIps: ['10.16.0.9'], window: ['10.16.0.9'] },
  ],
  [
    'somebody else’s address is not in excludeIps',
    {
      leases: [lease(), foreign('old', '10.16.0.9')],
      objects: [object(), theirs('old', '10.16.0.9', { uid: foreign('old', '10.16.0.9').uid ?? '' })],
      excludeIps: ['10.16.0.5'],
      authority: 'beside',
    },
  ],
  ['somebody took out what was pinned', { pinned: ['10.16.0.9'], excludeIps: [] }],
  ['a row is newer than the list', { objects: [], leases: [lease({ resourceVersion: '101' })] }],
  [
    'an object of ours is being deleted',
    { objects: [object({ terminating: true, reserved: '', finalizers: [FINALIZER] })] },
  ],
  ['a row is held', { objects: [], leases: [lease({ state: 'held' })] }],
  [
    'a row is being released',
    { leases: [lease({ state: 'releasing' })], objects: [object({ reserved: '' })] },
  ],
  ['a row cools down', { objects: [], leases: [lease({ state: 'quarantined' })] }],
  [
    'an object of a Pod is known as foreign',
    { objects: [object(), theirs('a', '10.16.0.7')], leases: [lease(), foreign('a', '10.16.0.7')] },
  ],
  ['a Vip has no IP object', { leases: [lease(), { ...foreign('v', '10.16.0.8'), name: 'vip/v' }] }],
  [
    'the owner runs with what is reserved',
    { pods: [pod('web', '10.16.0.5')], ports: [port('web.default', '10.16.0.5')] },
  ],
  [
    'an object nobody has heard of is being deleted',
    { objects: [object(), theirs('a', '10.16.0.7', { terminating: true })] },
  ],
  ['an object is in another Subnet', { objects: [object(), theirs('g', '10.17.0.7', { subnet: 'green' })] }],
  ['nobody looked at ports', { ports: undefined as never }],
  ['counters are about to be told', says({}, true)],
  [
    'counters are the controller’s',
    { ...says({}), excludeIps: ['10.16.0.1', '10.16.0.5'], authority: 'beside' },
  ],
  ['another finalizer stands beside ours', { objects: [object({ finalizers: ['x/y', FINALIZER] })] }],
]

it.each(QUIET)('nothing differs where %s', (_, picture) => {
  expect(compare(pictureOf(picture))).toEqual([])
})

it('tells by kind, then by name', () => {
  const drifts = compare(
    pictureOf({
      leases: [
        lease(),
        lease({ name: 'a.default', v4: '10.16.0.6' }),
        lease({ name: 'b.default', v4: '10.16.0.7' }),
      ],
      objects: [object({ reserved: '', finalizers: [] })],
    }),
  )
  expect(drifts.map(({ kind, names: [name] }) => `${kind} ${name}`)).toEqual([
    'missing_object a.default',
    'missing_object b.default',
    'label_lost web.default',
    'finalizer web.default',
  ])
})

describe('a window', () => {
  it.each<[string, string[], string[], string[]]>([
    ['is covered', ['10.0.0.5..10.0.0.9'], ['10.0.0.1..10.0.0.9'], []],
    ['is covered by pieces', ['10.0.0.5..10.0.0.9'], ['10.0.0.5..10.0.0.7', '10.0.0.8', '10.0.0.9'], []],
    ['has a hole', ['10.0.0.5..10.0.0.9'], ['10.0.0.5', '10.0.0.7..10.0.0.9'], ['10.0.0.6']],
    ['is bare', ['10.0.0.5..10.0.0.6', 'fd00::5'], ['junk'], ['10.0.0.5..10.0.0.6', 'fd00::5']],
    ['of v6 is covered', ['fd00::5..fd00::ff'], ['fd00::..fd00::1ff'], []],
    ['is none', [], ['10.0.0.1'], []],
  ])('%s', (_, window, excludeIps, bare) => {
    expect(windowDrift(window, excludeIps)).toEqual(bare)
  })
})
