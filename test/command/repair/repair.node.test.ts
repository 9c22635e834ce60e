import { describe, expect, it } from 'vitest'
import { DEPRECATED_FINALIZER, FINALIZER } from '../../../shared/kube-ovn/names.ts'
import { noOvn } from '../../../shared/ovn/none.ts'
import type { ListedPort } from '../../../shared/ovn/port.ts'
import { essence, type Lab, lab, labPod, theirIp } from '../../support/repair-lab.ts'

const addressOf = ({ get }: Lab, name: string) => (get(name).spec as { v4IpAddress: string }).v4IpAddress
/** Breaks one thing; afterwards `mended` is what the second run finds: nothing, or what is nobody's to mend. */
const KINDS: readonly {
  readonly what: string
  readonly break: (lab: Lab) => Promise<void> | void
  readonly found: readonly (readonly [kind: string, names: string])[]
  readonly outcome: string
  readonly left?: true
  readonly check?: (lab: Lab) => Promise<void> | void
}[] = [
  {
    what: 'a missing object',
    break: ({ remove }) => remove('web.default'),
    found: [['missing_object', 'web.default']],
    outcome: 'repaired',
    check: async (lab) => {
      expect(addressOf(lab, 'web.default')).toBe('10.30.1.2')
      expect(await lab.state('web.default')).toEqual(['bound', false])
    },
  },
  {
    what: "another's object under the name",
    break: ({ remove, create }) => {
      remove('web.default')
      create({ ...theirIp('web', '10.30.1.77'), metadata: { name: 'web.default', finalizers: [FINALIZER] } })
    },
    found: [['foreign_holder', 'web.default']],
    outcome: 'repaired',
    left: true,
    check: async (lab) => {
      expect(await lab.state('web.default')).toEqual(['bound', true])
      expect(addressOf(lab, 'web.default')).toBe('10.30.1.77')
    },
  },
  {
    what: 'a Pod with a reserved address',
    break: (lab) => lab.create(labPod('thief', addressOf(lab, 'web.default'))),
    found: [['foreign_holder', 'web.default default/thief']],
    outcome: 'not_repaired',
    left: true,
  },
  {
    what: 'a shared address',
    break: (lab) => lab.create(theirIp('thief', addressOf(lab, 'web.default'))),
    found: [
      ['shared_address', 'thief.default web.default'],
      ['object_without_lease', 'thief.default'],
    ],
    outcome: 'under_way',
    left: true,
    check: async ({ state }) => {
      expect(await state('web.default')).toEqual(['bound', true])
      expect(await state('thief.default')).toEqual(['foreign', false])
    },
  },
  {
    what: 'an object that was edited',
    break: ({ patch }) => patch('web.default', { spec: { v4IpAddress: '10.30.1.99' } }),
    found: [['changed_object', 'web.default']],
    outcome: 'not_repaired',
    left: true,
    check: (lab) => expect(addressOf(lab, 'web.default')).toBe('10.30.1.99'),
  },
  {
    what: 'an owner that runs elsewhere',
    break: ({ create }) => {
      create(labPod('web', '10.30.1.50'))
    },
    found: [
      ['foreign_holder', 'default/web'],
      ['owner_elsewhere', 'web.default default/web'],
    ],
    outcome: 'not_repaired',
    left: true,
  },
  {
    what: 'a CIDR that shrank while nobody listened',
    break: ({ patch }) =>
      patch(
        'lab',
        { spec: { cidrBlock: '10.30.2.0/24', gateway: '10.30.2.1', excludeIps: ['10.30.2.1'] } },
        'Subnet',
      ),
    found: [
      ['stranded', 'db.default'],
      ['stranded', 'web.default'],
    ],
    outcome: 'repaired',
    left: true,
    check: async ({ state }) => expect(await state('web.default')).toEqual(['stranded', false]),
  },
  {
    what: 'lost labels (D5)',
    break: ({ patch }) => patch('web.default', { metadata: { labels: null } }),
    found: [['label_lost', 'web.default']],
    outcome: 'repaired',
    check: ({ get }) =>
      expect(get('web.default').metadata.labels).toMatchObject({
        'ovn.kubernetes.io/ip_reserved': 'true',
        'ovn.kubernetes.io/subnet': 'lab',
      }),
  },
  {
    what: 'lost annotations',
    break: ({ patch }) => patch('web.default', { metadata: { annotations: null } }),
    found: [['label_lost', 'web.default']],
    outcome: 'repaired',
    check: async ({ get, world }) => {
      const row = await world.ledger('lab').find('web.default')
      expect(get('web.default').metadata.annotations).toMatchObject({ 'berth/op': row?.origin })
    },
  },
  {
    what: 'a missing finalizer, and labels besides',
    break: ({ patch }) =>
      patch('web.default', { metadata: { finalizers: ['example.org/mine'], labels: null } }),
    found: [
      ['label_lost', 'web.default'],
      ['finalizer', 'web.default'],
    ],
    outcome: 'repaired',
    check: ({ get }) =>
      expect(get('web.default').metadata.finalizers).toEqual(['example.org/mine', FINALIZER]),
  },
  {
    what: 'the deprecated finalizer',
    break: ({ patch }) => patch('web.default', { metadata: { finalizers: [DEPRECATED_FINALIZER] } }),
    found: [['finalizer', 'web.default']],
    outcome: 'repaired',
    check: ({ get }) => expect(get('web.default').metadata.finalizers).toEqual([FINALIZER]),
  },
  {
    what: 'the finalizer under both names',
    break: ({ patch }) =>
      patch('web.default', { metadata: { finalizers: [DEPRECATED_FINALIZER, FINALIZER] } }),
    found: [['finalizer', 'web.default']],
    outcome: 'repaired',
    check: ({ get }) => expect(get('web.default').metadata.finalizers).toEqual([FINALIZER]),
  },
  {
    what: 'a reserved object without reservation',
    break: async ({ create, world }) => {
      create(theirIp('old', '10.30.1.60', 'true'))
      await world.mirror.list('lab')
      await world.pass(2_000, 'lab')
    },
    found: [['object_without_lease', 'old.default']],
    outcome: 'repaired',
    check: async ({ state, get }) => {
      expect(await state('old.default')).toEqual(['bound', false])
      expect(get('old.default').metadata.annotations).toHaveProperty(['berth/op'])
    },
  },
  {
    what: 'an object the ledger has not heard of',
    break: ({ create }) => create(theirIp('new', '10.30.1.61')),
    found: [['object_without_lease', 'new.default']],
    outcome: 'under_way',
    check: async ({ state }) => expect(await state('new.default')).toEqual(['foreign', false]),
  },
  {
    what: 'counters that drifted',
    break: ({ patch }) => patch('lab', { status: { v4usingIPs: 77 } }, 'Subnet', 'status'),
    found: [['counter_drift', 'lab']],
    outcome: 'under_way',
    check: ({ get }) => expect(get('lab', 'Subnet').status).toMatchObject({ v4usingIPs: 2 }),
  },
]

describe('repair', () => {
  it('finds nothing where nothing differs, and says what it compared', async () => {
    const { run, get } = await lab()
    const { findings, total, ports, resourceVersion, problem } = await run(true)
    expect({ findings, total, ports, problem }).toEqual({
      findings: [],
      total: 0,
      ports: 'not compared: OVN_NB is none',
      problem: undefined,
    })
    expect(Number(resourceVersion)).toBeGreaterThanOrEqual(
      Number(get('lab', 'Subnet').metadata.resourceVersion),
    )
  })

  it.each(KINDS)('$what: found, untouched by a dry run, mended once', async (row) => {
    const it = await lab()
    await row.break(it)
    const [before, rows] = [
      it.cluster(),
      JSON.stringify(await it.world.ledger('lab').page({}, ['', ''], 100)),
    ]
    const dry = await run(it, true, row)
    expect(dry.map(([, , outcome]) => outcome)).toEqual(
      row.found.map(() => (row.outcome === 'not_repaired' ? 'not_repaired' : 'would_repair')),
    )
    expect(it.cluster()).toEqual(before)
    expect(JSON.stringify(await it.world.ledger('lab').page({}, ['', ''], 100))).toBe(rows)
    expect(it.lines).toEqual([])

    const wet = await run(it, false, row)
    expect(wet.map(([, , outcome]) => outcome)).toEqual(row.found.map(() => row.outcome))
    // An audit line each.
    expect(it.lines).toEqual(
      row.found.map(([kind, names]) =>
        expect.objectContaining({
          ...{ event: 'repair', audit: true, tenant: 'anonymous', requestId: 'r-1', subnet: 'lab' },
          ...{ kind, names: names.split(' '), outcome: row.outcome },
        }),
      ),
    )
    await it.world.pass(5_000, 'lab')
    await row.check?.(it)

    // What is left is nobody's to mend; a second run changes nothing.
    const mended = it.cluster()
    const again = essence(await it.run(false))
    expect(again.map(([, , outcome]) => outcome)).toEqual(row.left ? again.map(() => 'not_repaired') : [])
    expect(again.length > 0).toBe(row.left === true)
    await it.world.pass(5_000, 'lab')
    expect(it.cluster()).toEqual(mended)
  })

  async function run(it: Lab, dryRun: boolean, { found }: (typeof KINDS)[number]) {
    const findings = essence(await it.run(dryRun))
    expect(findings.map(([kind, names]) => [kind, names])).toEqual(found)
    return findings
  }
})

it('Pods that have ended, and Pods of other Subnets, hold nothing', async () => {
  const it = await lab()
  const address = addressOf(it, 'web.default')
  it.create({ ...labPod('ended', address), status: { phase: 'Succeeded' } })
  const elsewhere = labPod('elsewhere', address)
  it.create({
    ...elsewhere,
    metadata: {
      ...elsewhere.metadata,
      annotations: { ...elsewhere.metadata.annotations, 'ovn.kubernetes.io/logical_switch': 'other' },
    },
  })
  expect(essence(await it.run(true))).toEqual([])
  it.create(labPod('runs', address))
  expect(essence(await it.run(true))).toEqual([
    ['foreign_holder', 'web.default default/runs', 'not_repaired'],
  ])
})

describe('ports', () => {
  const listed = (...ports: ListedPort[]) => ({
    ...noOvn,
    ports: async () => ({ result: 'listed' as const, ports }),
  })

  it('of others are shown, and left', async () => {
    const { run } = await lab({
      ovn: listed(
        { name: 'ghost.default', uuid: 'u1', pod: 'default/ghost', addresses: ['10.30.1.2'] },
        { name: 'web.default', uuid: 'u2', pod: 'default/web', addresses: ['10.30.1.2'] },
      ),
    })
    const told = await run(false)
    expect(told.ports).toBe('compared')
    expect(essence(told)).toEqual([
      ['foreign_holder', 'web.default ghost.default', 'not_repaired'],
      ['port_without_object', 'ghost.default', 'not_repaired'],
    ])
  })

  it('that nobody can be asked about are said to be so', async () => {
    const ovn = {
      ...noOvn,
      ports: async () => ({ result: 'later', reason: 'no_leader', detail: 'no server leads' }) as const,
    }
    const { run } = await lab({ ovn })
    expect(await run(true)).toMatchObject({ ports: 'not compared: no server leads', findings: [] })
  })
})

it('a window that is configured is compared', async () => {
  const { run } = await lab({ windowOf: () => ['10.30.1.100..10.30.1.120'] })
  expect(essence(await run(true))).toEqual([['window_drift', 'lab', 'not_repaired']])
})
