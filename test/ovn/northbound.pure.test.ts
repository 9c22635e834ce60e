import { describe, expect, it } from 'vitest'
import { noOvn } from '../../shared/ovn/none.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import { map, type Row, set, uuid } from '../../shared/ovn/ovsdb/notation.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import type { OvnRequest, PortOwner } from '../../shared/ovn/port.ts'
import { ManualClock } from '../support/clock.ts'
import { inTime } from '../support/drain.ts'
import { NorthboundDb } from '../support/northbound-db.ts'
import { seededRandom } from '../support/random.ts'
import { NORTHBOUND_SCHEMA, ScriptedOvsdb } from '../support/scripted-ovsdb.ts'

const OWNER: PortOwner = { name: 'web.shop', subnet: 'ovn-default', pod: 'shop/web' }
const IDS = { vendor: 'kube-ovn', ls: 'ovn-default', pod: 'shop/web' }
const PORT = 'Logical_Switch_Port'

/** A port's row as Kube-OVN writes it. */
const port = (more: Row = {}, ids: Readonly<Record<string, string>> = IDS): Row => ({
  name: 'web.shop',
  type: '',
  addresses: '00:00:00:00:00:01 10.16.0.5 fd00::5',
  external_ids: map(Object.entries(ids)),
  ...more,
})

function northbound(servers = 1) {
  const clock = new ManualClock()
  const tcp: ScriptedOvsdb = new ScriptedOvsdb({})
  const db = new NorthboundDb(() => tcp)
  const names = Array.from({ length: servers }, (_, n) => `s${n + 1}`)
  for (const name of names) tcp.servers[`${name}:1`] = db.server()
  const remotes = parseRemotes(names.map((name) => `tcp:${name}:1`).join(','))
  if (!remotes.ok) throw new Error(remotes.error)
  const ovn = new Northbound({ tcp, clock, random: seededRandom(1), remotes: remotes.value })
  const ask = async (request: OvnRequest) => {
    const [evidence] = await inTime(clock, ovn.send([request]))
    if (!evidence) throw new Error('no answer')
    return evidence
  }
  const byName = (owner = OWNER) => ask({ verb: 'name', owner })
  const cut = (id: string, owner = OWNER) => ask({ verb: 'cut', owner, uuid: id })
  const byAddress = (...addresses: string[]) => ask({ verb: 'address', subnet: 'ovn-default', addresses })
  return { clock, tcp, db, ovn, ask, byName, byAddress, cut }
}

describe('a port by name', () => {
  it('is absent where there is none', async () => {
    expect(await northbound().byName()).toEqual({ result: 'absent' })
  })

  it('is found with all that is shown of it', async () => {
    const { db, byName } = northbound()
    const id = db.addPort('ovn-default', port({ up: true, options: map([['requested-chassis', 'node-1']]) }))
    expect(await byName()).toEqual({
      result: 'found',
      port: {
        name: 'web.shop',
        uuid: id,
        type: '',
        switches: ['ovn-default'],
        addresses: ['00:00:00:00:00:01 10.16.0.5 fd00::5'],
        externalIds: IDS,
        up: true,
        requestedChassis: 'node-1',
      },
    })
  })

  it('is found, and missed, as it comes and goes', async () => {
    const { db, byName } = northbound()
    expect(await byName()).toMatchObject({ result: 'absent' })
    const id = db.addPort('ovn-default', port())
    expect(await byName()).toMatchObject({ result: 'found' })
    db.drop(id)
    expect(await byName()).toMatchObject({ result: 'absent' })
  })
})

/** Ports of that name that are not the owner's (faults.md 37). */
const FOREIGN: readonly (readonly [string, string, Row, RegExp])[] = [
  ['another pod', 'ovn-default', port({}, { ...IDS, pod: 'shop/other' }), /pod is "shop\/other"/],
  ['another ls', 'ovn-default', port({}, { ...IDS, ls: 'other' }), /ls is "other"/],
  ['another switch', 'other', port(), /on switch other/],
  ['no vendor', 'ovn-default', port({}, { ls: 'ovn-default', pod: 'shop/web' }), /vendor is ""/],
  ['another vendor', 'ovn-default', port({}, { ...IDS, vendor: 'neutron' }), /vendor is "neutron"/],
  ['no external_ids', 'ovn-default', port({ external_ids: map([]) }), /vendor is ""/],
  ['type router', 'ovn-default', port({ type: 'router' }), /router port/],
]

describe.each(FOREIGN)('a port of that name with %s', (_, holder, row, why) => {
  it('is not ours', async () => {
    const { db, byName } = northbound()
    db.addPort(holder, row)
    expect(await byName()).toMatchObject({ result: 'not_ours', why: expect.stringMatching(why) })
  })

  it('is never cut', async () => {
    const { db, cut } = northbound()
    const id = db.addPort(holder, row)
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: expect.stringMatching(why) })
    expect(db.get(PORT, id)).toBeDefined()
    expect(db.commits).toEqual([])
  })
})

describe('a port by address', () => {
  it.each([
    ['its IPv4 address', '10.16.0.5'],
    ['its IPv6 address in another spelling', 'FD00:0:0::0:5'],
  ])('is found by %s', async (_, address) => {
    const { db, byAddress } = northbound()
    const id = db.addPort('ovn-default', port())
    expect(await byAddress('10.16.0.9', address)).toMatchObject({ result: 'held', ports: [{ uuid: id }] })
  })

  it.each([
    ['a dynamic address', port({ addresses: 'dynamic', dynamic_addresses: '00:00:00:00:00:01 10.16.0.5' })],
    ['no mark of Kube-OVN', port({ name: 'x', external_ids: map([]) })],
    [
      'several lines',
      port({ addresses: set(['00:00:00:00:00:02 10.16.0.4', '00:00:00:00:00:01 10.16.0.5/16']) }),
    ],
  ])('is found with %s', async (_, row) => {
    const { db, byAddress } = northbound()
    db.addPort('ovn-default', row)
    expect(await byAddress('10.16.0.5')).toMatchObject({ result: 'held' })
  })

  it('is nobody where no port has it, and none after the port went', async () => {
    const { db, byAddress } = northbound()
    const id = db.addPort('ovn-default', port())
    expect(await byAddress('10.16.0.6')).toEqual({ result: 'absent' })
    db.drop(id)
    expect(await byAddress('10.16.0.5')).toEqual({ result: 'absent' })
  })

  it('follows a port whose addresses change', async () => {
    const { db, byAddress } = northbound()
    const id = db.addPort('ovn-default', port())
    await byAddress('10.16.0.5')
    db.set(PORT, id, { addresses: '00:00:00:00:00:01 10.16.0.6' })
    expect(await byAddress('10.16.0.5')).toEqual({ result: 'absent' })
    expect(await byAddress('10.16.0.6')).toMatchObject({ result: 'held' })
  })

  it('on another switch is another address', async () => {
    const { db, byAddress } = northbound()
    db.addPort('other', port({}, { ...IDS, ls: 'other' }))
    expect(await byAddress('10.16.0.5')).toEqual({ result: 'absent' })
  })

  it('leaves out the port of the name that asks', async () => {
    const { db, ask } = northbound()
    db.addPort('ovn-default', port())
    const request = {
      verb: 'address',
      subnet: 'ovn-default',
      addresses: ['10.16.0.5'],
      except: 'web.shop',
    } as const
    expect(await ask(request)).toEqual({ result: 'absent' })
  })
})

describe('a cut', () => {
  it('removes the port and its own DHCP rows in one transaction, and nothing else', async () => {
    const { db, cut } = northbound()
    const id = db.addPort('ovn-default', port())
    db.addPort('ovn-default', port({ name: 'other.shop' }, { ...IDS, pod: 'shop/other' }))
    const dhcp = (ids: Record<string, string>) =>
      db.insert('DHCP_Options', { name: ids.port ?? 'subnet', external_ids: map(Object.entries(ids)) })
    dhcp({ vendor: 'kube-ovn', port: 'web.shop', ls: 'ovn-default', protocol: 'IPv4' })
    dhcp({ vendor: 'kube-ovn', port: 'other.shop' })
    dhcp({ vendor: 'kube-ovn', ls: 'ovn-default' })
    dhcp({ vendor: 'somebody', port: 'web.shop' })
    expect(await cut(id)).toEqual({ result: 'cut' })
    expect(db.names(PORT)).toEqual(['other.shop'])
    expect(db.names('DHCP_Options')).toEqual(['other.shop', 'subnet', 'web.shop'])
    expect(db.commits).toEqual([['wait', 'wait', 'mutate', 'delete', 'comment']])
  })

  it('can be asked for again', async () => {
    const { db, cut } = northbound()
    const id = db.addPort('ovn-default', port())
    await cut(id)
    expect(await cut(id)).toEqual({ result: 'absent' })
  })

  it('does not touch a port made anew under the name', async () => {
    const { db, cut } = northbound()
    const old = db.addPort('ovn-default', port())
    db.drop(old)
    const fresh = db.addPort('ovn-default', port())
    db.commits.length = 0
    expect(await cut(old)).toMatchObject({
      result: 'not_ours',
      port: { uuid: fresh },
      why: 'it was made anew',
    })
    expect(db.commits).toEqual([])
  })

  it('recomputes the address sets of its security groups', async () => {
    const { db, cut } = northbound()
    const sg = { ...IDS, 'associated_sg_my-sg': 'true', associated_sg_off: 'false' }
    const id = db.addPort('ovn-default', port({}, sg))
    const other = { ...sg, pod: 'shop/other' }
    db.addPort(
      'ovn-default',
      port({ name: 'other.shop', addresses: '00:00:00:00:00:02 10.16.0.6 fd00::6' }, other),
    )
    const secured = {
      port_security: '00:00:00:00:00:03 10.16.0.70',
      addresses: '00:00:00:00:00:03 10.16.0.7',
    }
    db.addPort('ovn-default', port({ name: 'secured.shop', ...secured }, other))
    const as = (name: string, ...addresses: string[]) =>
      db.insert('Address_Set', { name, addresses: set(addresses) })
    const v4 = as('ovn.sg.my.sg.associated.v4', '10.16.0.5', '10.16.0.6', '10.16.0.99')
    const v6 = as('ovn.sg.my.sg.associated.v6', 'fd00::5', 'fd00::6')
    const off = as('ovn.sg.off.associated.v4', '10.16.0.5')
    expect(await cut(id)).toEqual({ result: 'cut' })
    expect(db.get('Address_Set', v4)?.addresses).toEqual(set(['10.16.0.6', '10.16.0.70']))
    expect(db.get('Address_Set', v6)?.addresses).toEqual(set(['fd00::6']))
    expect(db.get('Address_Set', off)?.addresses).toEqual(set(['10.16.0.5']))
    expect(db.commits).toHaveLength(1)
  })

  it('needs no address set to be there', async () => {
    const { db, cut } = northbound()
    const id = db.addPort('ovn-default', port({}, { ...IDS, associated_sg_a: 'true' }))
    expect(await cut(id)).toEqual({ result: 'cut' })
  })

  it('compares with the port as it was found, however long ago', async () => {
    const { db, byName, cut } = northbound()
    const id = db.addPort('ovn-default', port())
    await byName()
    db.set(PORT, id, { external_ids: map(Object.entries({ ...IDS, 'attach-vips': 'true' })) })
    expect(await cut(id)).toMatchObject({ result: 'later', reason: 'refused' })
    expect(await cut(id)).toEqual({ result: 'cut' })
  })

  it('is judged by the owner it is asked for, not by whom the port was found for', async () => {
    const { db, byName, cut } = northbound()
    const id = db.addPort('ovn-default', port())
    await byName()
    expect(await cut(id, { ...OWNER, pod: 'shop/other' })).toMatchObject({ result: 'not_ours' })
    expect(db.get(PORT, id)).toBeDefined()
  })

  it('is not made of a port that two switches hold', async () => {
    const { db, cut } = northbound()
    const id = db.addPort('ovn-default', port())
    db.insert('Logical_Switch', { name: 'second', ports: uuid(id) })
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: expect.stringMatching(/several/) })
  })
})

describe('between check and cut', () => {
  /** Does it just before the cut is carried out. */
  function meanwhile(act: (db: NorthboundDb, id: string) => void) {
    const world = northbound()
    const id = world.db.addPort('ovn-default', port())
    let once = true
    world.tcp.servers['s1:1'] = world.db.server({
      transact: (operations) => {
        if (once && operations.some(({ op }) => op === 'mutate')) {
          once = false
          act(world.db, id)
        }
        return world.db.transact(operations as never)
      },
    })
    return { ...world, id }
  }

  it('another writer makes the port anew: it stays', async () => {
    const { db, cut, id } = meanwhile((db, id) => {
      db.drop(id)
      db.addPort('ovn-default', port())
    })
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: 'it was made anew' })
    expect(db.names(PORT)).toEqual(['web.shop'])
  })

  it('another writer gives it to somebody else: it stays', async () => {
    const { db, cut, id } = meanwhile((db, id) =>
      db.set(PORT, id, { external_ids: map(Object.entries({ ...IDS, pod: 'shop/other' })) }),
    )
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: expect.stringMatching(/shop\/other/) })
    expect(db.get(PORT, id)).toBeDefined()
  })

  it('another writer adds to its external_ids: nothing was done, and the next try looks again', async () => {
    const { cut, id } = meanwhile((db, id) =>
      db.set(PORT, id, { external_ids: map(Object.entries({ ...IDS, 'attach-vips': 'true' })) }),
    )
    expect(await cut(id)).toMatchObject({ result: 'later', reason: 'refused' })
    expect(await cut(id)).toEqual({ result: 'cut' })
  })

  it('another writer moves it to another switch: it stays', async () => {
    const { db, cut, id } = meanwhile((db, id) => {
      db.insert('Logical_Switch', { name: 'second', ports: uuid(id) })
      db.transact([
        {
          op: 'mutate',
          table: 'Logical_Switch',
          where: [['name', '==', 'ovn-default']],
          mutations: [['ports', 'delete', uuid(id)]],
        },
      ])
    })
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: expect.stringMatching(/second/) })
    expect(db.get(PORT, id)).toBeDefined()
  })

  it('another writer cuts it: it is gone', async () => {
    const { cut, id } = meanwhile((db, id) => db.drop(id))
    expect(await cut(id)).toEqual({ result: 'absent' })
  })
})

describe('a lost reply (faults.md 33, P17)', () => {
  /** Loses the connection at the cut: before or after it is carried out. */
  function losing(when: 'before' | 'after', then: (db: NorthboundDb, id: string) => void = () => {}) {
    const world = northbound()
    const id = world.db.addPort('ovn-default', port())
    let once = true
    world.tcp.servers['s1:1'] = world.db.server({
      transact: (operations, link) => {
        if (!once || !operations.some(({ op }) => op === 'mutate'))
          return world.db.transact(operations as never)
        once = false
        if (when === 'after') world.db.transact(operations as never)
        then(world.db, id)
        link.reset()
        link.close()
        return []
      },
    })
    return { ...world, id }
  }

  it('after the commit: the port is found to be gone', async () => {
    const { db, cut, id } = losing('after')
    expect(await cut(id)).toEqual({ result: 'absent' })
    expect(db.commits).toHaveLength(1)
  })

  it('before the commit: the port is there, and the cut may still come', async () => {
    const { db, cut, id } = losing('before')
    expect(await cut(id)).toMatchObject({ result: 'unknown' })
    expect(db.get(PORT, id)).toBeDefined()
    expect(await cut(id)).toEqual({ result: 'cut' })
  })

  it('after the commit and made anew by somebody: not cut a second time', async () => {
    const { db, cut, id } = losing('after', (db) => db.addPort('ovn-default', port()))
    expect(await cut(id)).toMatchObject({ result: 'not_ours', why: 'it was made anew' })
    expect(db.names(PORT)).toEqual(['web.shop'])
  })

  it('and nobody to ask: unknown, never guessed', async () => {
    const { tcp, cut, byName, id } = losing('after', () => {
      tcp.servers['s1:1'] = { ...tcp.servers['s1:1'], down: true }
    })
    expect(await cut(id)).toMatchObject({ result: 'unknown' })
    expect(await byName()).toMatchObject({ result: 'later', reason: 'unreachable' })
  })
})

describe('a leader that changes (faults.md 35)', () => {
  it('is waited for: nothing is cut, nothing is guessed', async () => {
    const { tcp, db, cut, byName, ovn, clock } = northbound(2)
    const id = db.addPort('ovn-default', port())
    for (const at of ['s1:1', 's2:1'])
      tcp.servers[at] = db.server({ database: { clustered: true, leader: false } })
    expect(await cut(id)).toMatchObject({ result: 'later', reason: 'no_leader' })
    expect(await byName()).toMatchObject({ result: 'later', reason: 'no_leader' })
    expect(await inTime(clock, ovn.status())).toMatchObject({
      ready: false,
      detail: expect.stringMatching(/not the leader/),
    })
    tcp.servers['s2:1'] = db.server({ database: { clustered: true, leader: true } })
    expect(await cut(id)).toEqual({ result: 'cut' })
    expect(await inTime(clock, ovn.status())).toEqual({
      ready: true,
      detail: 'tcp:s2:1, which leads its cluster',
    })
  })
})

describe('schemas', () => {
  const without = (table: keyof typeof NORTHBOUND_SCHEMA.tables, ...columns: string[]) => {
    const all: Record<string, unknown> = NORTHBOUND_SCHEMA.tables[table].columns
    const kept = Object.entries(all).filter(([name]) => !columns.includes(name))
    const tables = { ...NORTHBOUND_SCHEMA.tables, [table]: { columns: Object.fromEntries(kept) } }
    return JSON.parse(JSON.stringify({ ...NORTHBOUND_SCHEMA, tables }))
  }

  it('older ones without optional columns will do', async () => {
    const { tcp, db, byName, cut } = northbound()
    const schema = without(PORT, 'up', 'options', 'dynamic_addresses', 'port_security')
    tcp.servers['s1:1'] = db.server({ schema })
    const id = db.addPort('ovn-default', port())
    expect(await byName()).toMatchObject({ result: 'found' })
    expect(await cut(id)).toEqual({ result: 'cut' })
  })

  it('one that cannot do is told in words, and nothing is guessed', async () => {
    const { tcp, db, byName } = northbound()
    tcp.servers['s1:1'] = db.server({ schema: without(PORT, 'external_ids') })
    expect(await byName()).toMatchObject({
      result: 'later',
      detail: 'schema 7.0.0 has no Logical_Switch_Port.external_ids',
    })
  })
})

describe('OVN_NB=none', () => {
  it('is no absence', async () => {
    expect(await noOvn.send([{ verb: 'name', owner: OWNER }])).toEqual([{ result: 'unasked' }])
  })
})
