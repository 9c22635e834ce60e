import { describe, expect, it } from 'vitest'
import { release } from '../../../shared/command/release.ts'
import { repair } from '../../../shared/command/repair/repair.ts'
import { FINALIZER } from '../../../shared/kube-ovn/names.ts'
import { err } from '../../../shared/result.ts'
import { answered, busy, dyingAt, first, invalid, lost, turns } from '../../support/drive.ts'
import { COMMAND, essence, type Lab, lab, theirIp } from '../../support/repair-lab.ts'
import { Steps } from '../../support/steps.ts'

const BROKEN: readonly (readonly [string, (lab: Lab) => Promise<void> | void])[] = [
  ['a missing object', ({ remove }) => remove('web.default')],
  ['lost labels', ({ patch }) => patch('web.default', { metadata: { labels: null, finalizers: null } })],
  [
    'an object to adopt',
    async ({ create, world }) => {
      create(theirIp('old', '10.30.1.60', 'true'))
      await world.mirror.list('lab')
      await world.pass(2_000, 'lab')
    },
  ],
]

describe('a repair that dies', () => {
  it.each(BROKEN)(
    'of %s, at each point: another finishes it, and nothing is done twice',
    async (_, breaks) => {
      for (let n = 0; ; n++) {
        const it = await lab()
        const steps = new Steps(it.world)
        await breaks(it)
        it.world.sent.length = 0
        if ((await dyingAt(it.world, n, () => it.asked(false), 'lab')) === undefined) {
          expect(n).toBeGreaterThan(8)
          return
        }
        await it.world.pass(10_000, 'lab')
        await it.run(false)
        await it.world.pass(10_000, 'lab')
        expect(essence(await it.run(false)), `dead at ${n}`).toEqual([])
        expect(steps.violations).toEqual([])
        expect(it.get('web.default')).toMatchObject({
          metadata: { finalizers: [FINALIZER], labels: { 'ovn.kubernetes.io/ip_reserved': 'true' } },
          spec: { v4IpAddress: '10.30.1.2' },
        })
        // Whatever was sent twice is no DELETE: nothing was taken away.
        expect(it.world.sent.filter(({ verb }) => verb === 'delete')).toEqual([])
      }
    },
  )
})

describe('labels that are given back', () => {
  const broken = async () => {
    const it = await lab()
    it.patch('web.default', { metadata: { labels: null } })
    return it
  }
  const isWhole = ({ get }: Lab) =>
    expect(get('web.default').metadata.labels).toHaveProperty(['ovn.kubernetes.io/ip_reserved'], 'true')

  it('by a PATCH whose reply is lost are read, and not taken for granted', async () => {
    const it = await broken()
    // Lost on its way: not carried out.
    it.world.intercept = first(1, 'patch', async (requests) => requests.map(() => err(lost)))
    expect(essence(await it.run(false))).toEqual([['label_lost', 'web.default', 'repaired']])
    isWhole(it)
    expect(it.world.sent.filter(({ verb }) => verb === 'patch')).toHaveLength(2)
  })

  it('wait while the cluster is busy', async () => {
    const it = await broken()
    it.world.intercept = first(3, 'patch', async (requests) => requests.map(() => err(busy())))
    await it.run(false)
    await it.world.pass(5_000, 'lab')
    isWhole(it)
  })

  it('are refused with the cluster’s reason', async () => {
    const it = await broken()
    it.world.intercept = first(1, 'patch', async (requests) => requests.map(() => err(invalid)))
    const { findings } = await it.run(false)
    expect(findings).toMatchObject([{ outcome: 'failed', problem: { code: 'invalid_field' } }])
  })

  it('are left to whoever takes them off again each time (fault 29)', async () => {
    const it = await broken()
    it.world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (requests[0]?.verb !== 'patch') return replies
      it.patch('web.default', { metadata: { labels: null } })
      return [err({ reason: 'Conflict', outcome: 'refused', message: 'changed' })]
    }
    await it.run(false)
    await it.world.pass(3_600_000, 'lab')
    const patches = it.world.sent.filter(({ verb }) => verb === 'patch').length
    expect(patches).toBeLessThan(12)
    await it.world.pass(3_600_000, 'lab')
    expect(it.world.sent.filter(({ verb }) => verb === 'patch')).toHaveLength(patches)
  })

  it.each<[string, (it: Lab) => void, string]>([
    [
      'is being deleted',
      ({ get, world }) => {
        const { name, uid = '' } = get('web.default').metadata
        world.store.send([{ verb: 'delete', ref: { kind: 'IP', name }, uid }])
      },
      'releasing',
    ],
    [
      'is another’s',
      ({ remove, create }) => {
        remove('web.default')
        create(theirIp('web', '10.30.1.2'))
      },
      'contested',
    ],
  ])('are not written to an object that %s by then', async (_, meanwhile, code) => {
    const it = await broken()
    let after = ''
    it.world.intercept = first(1, 'patch', async () => {
      meanwhile(it)
      after = JSON.stringify(it.get('web.default'))
      return [err({ reason: 'Conflict', outcome: 'refused', message: 'changed' })]
    })
    const { findings } = await it.run(false)
    expect(findings).toMatchObject([{ outcome: 'failed', problem: { code } }])
    expect(JSON.stringify(it.get('web.default'))).toBe(after)
  })

  it('are asked for twice and written once: who comes second joins', async () => {
    const it = await broken()
    const row = await it.world.ledger('lab').find('web.default')
    const { id = '', epoch = 0 } = row ?? {}
    const request = { tenant: 't', name: 'web.default', id, epoch, act: 'mend', finalizer: true } as const
    const opened = await it.world.ledger('lab').repair(request)
    if (opened.kind !== 'drive') throw new Error(opened.kind)
    expect(await it.world.ledger('lab').repair(request)).toEqual({
      kind: 'join',
      op: opened.op,
      joined: true,
    })
    expect(essence(await it.run(true))).toEqual([['label_lost', 'web.default', 'under_way']])
    await it.world.pass(30_000, 'lab')
    isWhole(it)
    expect(it.world.sent.filter(({ verb }) => verb === 'patch')).toHaveLength(1)
  })

  it('are not for a row that is another by now', async () => {
    const it = await broken()
    const { id = '', epoch = 0 } = (await it.world.ledger('lab').find('web.default')) ?? {}
    const row = { tenant: 't', name: 'web.default', id, act: 'mend', finalizer: true } as const
    for (const wrong of [
      { ...row, epoch: epoch + 1 },
      { ...row, epoch, id: 'res_other' },
    ]) {
      expect(await it.world.ledger('lab').repair(wrong)).toMatchObject({
        answer: { kind: 'refused', problem: { code: 'releasing' } },
      })
    }
  })

  it('meet a release that came first: nothing is written to what is going', async () => {
    const it = await broken()
    const stale = await it.world.ledger('lab').find('web.default')
    await answered(it.world, release(it.world.ports, it.world.releaseCommand('web.default')), 'lab')
    const { id = '', epoch = 0 } = stale ?? {}
    const row = { tenant: 't', name: 'web.default', id, epoch, act: 'mend', finalizer: true } as const
    expect(await it.world.ledger('lab').repair(row)).toMatchObject({
      kind: 'answer',
      answer: { kind: 'refused', problem: { code: 'releasing' } },
    })
    expect(await it.state('web.default')).toBeUndefined()
  })
})

describe('a comparison', () => {
  it('is refused after several in a row, and allowed again later', async () => {
    const it = await lab()
    const codes: string[] = []
    for (let n = 0; n < 12; n++) {
      const outcome = await it.asked(true)
      codes.push(outcome.kind === 'refused' ? outcome.problem.code : outcome.kind)
    }
    expect(codes.filter((code) => code === 'compared')).toHaveLength(10)
    expect(codes.slice(10)).toEqual(['rate_limited', 'rate_limited'])
    it.world.clock.advance(6_000)
    expect((await it.asked(true)).kind).toBe('compared')
    // No object was listed for those that were refused.
    expect((await it.asked(true)).kind).toBe('refused')
  })

  it('of a Subnet nobody has is refused', async () => {
    const it = await lab()
    const outcome = await repair(it.ports, { ...COMMAND, dryRun: true, subnet: 'none' })
    expect(outcome).toMatchObject({ kind: 'refused', problem: { code: 'unknown_subnet', field: 'subnet' } })
  })

  it('is 503 where the cluster does not list its objects: half a list proves nothing missing', async () => {
    const it = await lab()
    for (const kind of ['IP', 'Pod', 'IPPool']) {
      const cluster: typeof it.ports.cluster = {
        ...it.ports.cluster,
        list: (asked, options) =>
          asked === kind ? Promise.resolve(err(lost)) : it.ports.cluster.list(asked, options),
      }
      const outcome = await repair({ ...it.ports, cluster }, { ...COMMAND, dryRun: false })
      expect(outcome).toMatchObject({ kind: 'refused', problem: { code: 'unavailable' } })
    }
    expect(it.world.sent.filter(({ verb }) => verb !== 'get')).toEqual([])
  })

  it('of all goes on where one ledger is silent, and says so', async () => {
    const it = await lab()
    const ports = {
      ...it.ports,
      ledger: (subnet: string) => {
        if (subnet === 'dual-stack') throw new Error('gone')
        return it.ports.ledger(subnet)
      },
    }
    const outcome = await repair(ports, { tenant: 't', requestId: 'r', dryRun: true })
    expect(outcome).toMatchObject({
      kind: 'compared',
      subnets: [
        { subnet: 'dual-stack', problem: { code: 'unavailable' }, findings: [] },
        { subnet: 'lab', findings: [], total: 0 },
        { subnet: 'ovn-default', findings: [], total: 0 },
      ],
    })
  })

  it('believes what was read last: an object made after the list, or gone by then', async () => {
    const it = await lab()
    let listed = 0
    const list: typeof it.ports.cluster.list = async (kind, options) => {
      const page = await it.ports.cluster.list(kind, options)
      if (kind !== 'IP' || listed++ > 0 || !page.ok) return page
      // The list has lost one that is there.
      return { ...page, value: { ...page.value, items: page.value.items.slice(1) } }
    }
    const outcome = await repair(
      { ...it.ports, cluster: { ...it.ports.cluster, list } },
      { ...COMMAND, dryRun: true },
    )
    expect(outcome).toMatchObject({ subnets: [{ findings: [], total: 0 }] })
  })

  it('of many that are broken takes them a few at a time, as far as the time goes', async () => {
    const it = await lab()
    it.remove('web.default')
    it.remove('db.default')
    it.world.intercept = (requests, pass) =>
      requests[0]?.verb === 'create' ? new Promise(() => {}) : pass(requests)
    const asked = it.asked(false)
    const outcome = await answered(it.world, asked, 'lab')
    await turns()
    expect(outcome).toMatchObject({
      subnets: [{ findings: [{ outcome: 'under_way' }, { outcome: 'under_way' }] }],
    })
  })
})
