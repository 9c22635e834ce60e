import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import type { OvsdbLimits } from '../../shared/ovn/ovsdb/limits.ts'
import type { Operation, OperationResult } from '../../shared/ovn/ovsdb/messages.ts'
import { map, namedUuid, type Row, set, uuid, uuidText } from '../../shared/ovn/ovsdb/notation.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { Session } from '../../shared/ovn/ovsdb/session.ts'
import type { OvnEvidence, OvnRequest, PortOwner } from '../../shared/ovn/port.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Tcp } from '../../shared/tcp.ts'

export interface OvnPeer {
  readonly tcp: Tcp
  /** As OVN_NB has them. */
  readonly remotes: string
  readonly close?: () => Promise<void>
}

/** The port under test, and a second client that is the other writer. */
export class OvnWorld {
  readonly ovn: Northbound
  readonly writer: Session
  #made = 0

  constructor({ tcp, remotes: text }: OvnPeer, writersTcp = tcp, limits: Partial<OvsdbLimits> = {}) {
    const remotes = parseRemotes(text)
    if (!remotes.ok) throw new Error(remotes.error)
    const parts = { tcp, clock: systemClock, random: systemRandom, remotes: remotes.value }
    this.ovn = new Northbound({ ...parts, limits })
    this.writer = new Session({ ...parts, tcp: writersTcp, database: 'OVN_Northbound' })
  }

  close(): void {
    this.ovn.close()
    this.writer.close()
  }

  async ask(request: OvnRequest): Promise<OvnEvidence> {
    const [evidence] = await this.ovn.send([request])
    if (!evidence) throw new Error('no answer')
    return evidence
  }

  byName = (owner: PortOwner) => this.ask({ verb: 'name', owner })
  cut = (owner: PortOwner, id: string) => this.ask({ verb: 'cut', owner, uuid: id })

  async write(...operations: Operation[]): Promise<readonly OperationResult[]> {
    const done = await this.writer.transact(operations)
    if (!done.ok) throw new Error(done.error.message)
    return done.value
  }

  /** An owner nobody had before, on a switch of its own. */
  async newOwner(): Promise<PortOwner> {
    const number = ++this.#made
    const subnet = `subnet-${number}-${systemRandom.bytes(4).join('')}`
    await this.write({ op: 'insert', table: 'Logical_Switch', row: { name: subnet } })
    return { name: `web-${subnet}.shop`, subnet, pod: `shop/web-${subnet}` }
  }

  /** Writes a port in one transaction, as Kube-OVN does [pkg/ovs/ovn-nb-logical_switch_port.go]. */
  async addPort(
    owner: PortOwner,
    more: Row = {},
    ids: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const external = { vendor: 'kube-ovn', ls: owner.subnet, pod: owner.pod, ...ids }
    const row = {
      name: owner.name,
      addresses: '00:00:00:00:00:01 10.16.0.5 fd00::5',
      external_ids: map(Object.entries(external)),
      ...more,
    }
    const where = [['name', '==', owner.subnet]] as const
    const [made] = await this.write(
      { op: 'insert', table: 'Logical_Switch_Port', row, 'uuid-name': 'port' },
      { op: 'mutate', table: 'Logical_Switch', where, mutations: [['ports', 'insert', namedUuid('port')]] },
    )
    return text(made?.uuid)
  }

  dropPort(owner: PortOwner, id: string): Promise<unknown> {
    const where = [['name', '==', owner.subnet]] as const
    return this.write({
      op: 'mutate',
      table: 'Logical_Switch',
      where,
      mutations: [['ports', 'delete', uuid(id)]],
    })
  }

  async insert(table: string, row: Row): Promise<string> {
    const [made] = await this.write({ op: 'insert', table, row })
    return text(made?.uuid)
  }

  /** The row, or undefined when there is none. */
  async row(table: string, id: string): Promise<Row | undefined> {
    const [read] = await this.write({ op: 'select', table, where: [['_uuid', '==', uuid(id)]] })
    return read?.rows?.[0]
  }
}

function text(value: unknown): string {
  const read = uuidText(value as never, 'uuid')
  if (!read.ok) throw new Error(read.error)
  return read.value
}

const PORT = 'Logical_Switch_Port'

/** What the OVN port promises, on a real Northbound database. */
export function ovnContract(name: string, open: () => Promise<OvnPeer>): void {
  describe(name, () => {
    let peer: OvnPeer
    let world: OvnWorld

    beforeAll(async () => {
      peer = await open()
      world = new OvnWorld(peer)
    })
    afterAll(async () => {
      world?.close()
      await peer?.close?.()
    })

    it('says that it is ready', async () => {
      expect(await world.ovn.status()).toMatchObject({ ready: true })
    })

    it('finds a port from the moment it is written until it goes, as new as the question', async () => {
      const owner = await world.newOwner()
      for (let turn = 0; turn < 5; turn++) {
        expect(await world.byName(owner)).toEqual({ result: 'absent' })
        const id = await world.addPort(owner)
        expect(await world.byName(owner)).toMatchObject({
          result: 'found',
          port: { uuid: id, switches: [owner.subnet], addresses: ['00:00:00:00:00:01 10.16.0.5 fd00::5'] },
        })
        await world.dropPort(owner, id)
      }
    })

    it('finds who has an address on a switch', async () => {
      const owner = await world.newOwner()
      const other = await world.newOwner()
      const id = await world.addPort(owner, { name: `foreign.${owner.name}` }, { vendor: 'neutron' })
      const ask = (subnet: string, ...addresses: string[]) =>
        world.ask({ verb: 'address', subnet, addresses })
      expect(await ask(owner.subnet, '10.16.0.5')).toMatchObject({ result: 'held', ports: [{ uuid: id }] })
      expect(await ask(owner.subnet, 'FD00::0:5')).toMatchObject({ result: 'held', ports: [{ uuid: id }] })
      expect(await ask(owner.subnet, '10.16.0.6', 'fd00::6')).toEqual({ result: 'absent' })
      expect(await ask(other.subnet, '10.16.0.5')).toEqual({ result: 'absent' })
    })

    it('follows a port whose addresses and ids change', async () => {
      const owner = await world.newOwner()
      const id = await world.addPort(owner)
      expect(await world.byName(owner)).toMatchObject({ result: 'found' })
      const where = [['_uuid', '==', uuid(id)]] as const
      const ids = map([['k', 'v']])
      await world.write(
        {
          op: 'mutate',
          table: PORT,
          where,
          mutations: [['addresses', 'insert', '00:00:00:00:00:02 10.16.0.6']],
        },
        { op: 'mutate', table: PORT, where, mutations: [['external_ids', 'insert', ids]] },
      )
      const ask = () => world.ask({ verb: 'address', subnet: owner.subnet, addresses: ['10.16.0.6'] })
      expect(await ask()).toMatchObject({ result: 'held', ports: [{ externalIds: { k: 'v' } }] })
      await world.write({ op: 'update', table: PORT, where, row: { addresses: set([]) } })
      expect(await ask()).toEqual({ result: 'absent' })
    })

    it('cuts a port with its references and DHCP rows, once', async () => {
      const owner = await world.newOwner()
      const id = await world.addPort(owner)
      const kept = await world.addPort({ ...owner, name: `kept.${owner.name}` })
      const group = await world.insert('Port_Group', {
        name: `pg_${owner.subnet.replaceAll('-', '_')}`,
        ports: set([uuid(id), uuid(kept)]),
      })
      const dhcp = (port: string) =>
        world.insert('DHCP_Options', {
          cidr: '10.16.0.0/16',
          external_ids: map(Object.entries({ vendor: 'kube-ovn', ls: owner.subnet, port })),
        })
      const [own, others] = [await dhcp(owner.name), await dhcp(`kept.${owner.name}`)]
      expect(await world.cut(owner, id)).toEqual({ result: 'cut' })
      expect(await world.row(PORT, id)).toBeUndefined()
      expect(await world.row('DHCP_Options', own)).toBeUndefined()
      expect((await world.row('Port_Group', group))?.ports).toEqual(uuid(kept))
      expect(await world.row(PORT, kept)).toBeDefined()
      expect(await world.row('DHCP_Options', others)).toBeDefined()
      expect(await world.cut(owner, id)).toEqual({ result: 'absent' })
    })

    it('recomputes the address sets of security groups', async () => {
      const owner = await world.newOwner()
      const group = owner.subnet
      const ids = { [`associated_sg_${group}`]: 'true' }
      const id = await world.addPort(owner, {}, ids)
      await world.addPort(
        { ...owner, name: `kept.${owner.name}` },
        { addresses: '00:00:00:00:00:02 10.16.0.6' },
        ids,
      )
      const as = (family: 4 | 6, ...addresses: string[]) =>
        world.insert('Address_Set', {
          name: `ovn.sg.${group}.associated.v${family}`.replaceAll('-', '.'),
          addresses: set(addresses),
        })
      const v4 = await as(4, '10.16.0.5', '10.16.0.6', '10.16.0.99')
      const v6 = await as(6, 'fd00::5')
      expect(await world.cut(owner, id)).toEqual({ result: 'cut' })
      expect((await world.row('Address_Set', v4))?.addresses).toBe('10.16.0.6')
      expect((await world.row('Address_Set', v6))?.addresses).toEqual(set([]))
    })

    it.each([
      ['another pod', {}, { pod: 'shop/other' }],
      ['another ls', {}, { ls: 'other' }],
      ['no vendor', {}, { vendor: '' }],
      ['type router', { type: 'router' }, {}],
    ] as const)('never cuts a port of that name with %s', async (_, row, ids) => {
      const owner = await world.newOwner()
      const id = await world.addPort(owner, row, ids)
      expect(await world.byName(owner)).toMatchObject({ result: 'not_ours', port: { uuid: id } })
      expect(await world.cut(owner, id)).toMatchObject({ result: 'not_ours' })
      expect(await world.row(PORT, id)).toBeDefined()
    })

    it('never cuts a port that was made anew', async () => {
      const owner = await world.newOwner()
      const old = await world.addPort(owner)
      await world.dropPort(owner, old)
      const fresh = await world.addPort(owner)
      expect(await world.cut(owner, old)).toMatchObject({ result: 'not_ours', port: { uuid: fresh } })
      expect(await world.row(PORT, fresh)).toBeDefined()
    })

    it('never cuts one of the two when somebody keeps making it anew meanwhile', async () => {
      const owner = await world.newOwner()
      let last = await world.addPort(owner)
      for (let turn = 0; turn < 20; turn++) {
        const cut = world.cut(owner, last)
        const old = last
        // Both at once: whichever comes first, the new port stays.
        await world.dropPort(owner, old)
        last = await world.addPort(owner)
        expect(['cut', 'absent', 'not_ours']).toContain((await cut).result)
        expect(await world.row(PORT, last)).toBeDefined()
      }
    })

    it('answers many at once, in order', async () => {
      const owner = await world.newOwner()
      const owners = Array.from({ length: 50 }, (_, n) => ({ ...owner, name: `${n}.${owner.name}` }))
      const ids = await Promise.all(owners.map((one) => world.addPort(one)))
      const found = await world.ovn.send(owners.map((one) => ({ verb: 'name', owner: one })))
      expect(found.map((one) => one.result === 'found' && one.port.uuid)).toEqual(ids)
      const cut = await world.ovn.send(
        owners.map((one, n) => ({ verb: 'cut', owner: one, uuid: ids[n] ?? '' })),
      )
      expect(cut).toEqual(owners.map(() => ({ result: 'cut' })))
    })
  })
}
