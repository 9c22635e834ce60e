import { describe, expect, it } from 'vitest'
import { noOvn } from '../../shared/ovn/none.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import { map, type Row } from '../../shared/ovn/ovsdb/notation.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { ManualClock } from '../support/clock.ts'
import { inTime } from '../support/drain.ts'
import { NorthboundDb } from '../support/northbound-db.ts'
import { seededRandom } from '../support/random.ts'
import { ScriptedOvsdb } from '../support/scripted-ovsdb.ts'

function northbound() {
  const clock = new ManualClock()
  const tcp: ScriptedOvsdb = new ScriptedOvsdb({})
  const db = new NorthboundDb(() => tcp)
  tcp.servers['s1:1'] = db.server()
  const remotes = parseRemotes('tcp:s1:1')
  if (!remotes.ok) throw new Error(remotes.error)
  const ovn = new Northbound({ tcp, clock, random: seededRandom(1), remotes: remotes.value })
  return { tcp, db, list: (subnet: string) => inTime(clock, ovn.ports(subnet)) }
}

const port = (name: string, ids: Readonly<Record<string, string>> = {}): Row => ({
  name,
  type: '',
  addresses: '00:00:00:00:00:01 10.16.0.5 FD00:0::5',
  external_ids: map(Object.entries({ vendor: 'kube-ovn', ls: 'blue', pod: 'shop/web', ...ids })),
})

describe('the ports of a Subnet', () => {
  it('are those of Pods that Kube-OVN made there, by name, with canonical addresses', async () => {
    const { db, list } = northbound()
    const uuid = db.addPort('blue', port('web.shop'))
    db.addPort('blue', port('api.shop'))
    db.addPort('blue', port('other-vendor', { vendor: 'somebody' }))
    db.addPort('blue', port('no-pod', { pod: '' }))
    db.addPort('green', port('elsewhere', { ls: 'green' }))
    const listed = await list('blue')
    if (listed.result !== 'listed') throw new Error(listed.result)
    expect(listed.ports.map(({ name }) => name)).toEqual(['api.shop', 'web.shop'])
    expect(listed.ports[1]).toEqual({
      name: 'web.shop',
      uuid,
      pod: 'shop/web',
      addresses: ['10.16.0.5', 'fd00::5'],
    })
  })

  it('are as they are now: one that came, and one that went', async () => {
    const { db, list } = northbound()
    const uuid = db.addPort('blue', port('web.shop'))
    await list('blue')
    db.addPort('blue', port('api.shop'))
    db.drop(uuid)
    expect(await list('blue')).toMatchObject({ result: 'listed', ports: [{ name: 'api.shop' }] })
  })

  it('are not none where nobody answers, or nobody is asked', async () => {
    const { tcp, list } = northbound()
    tcp.servers['s1:1'] = { ...tcp.servers['s1:1'], down: true }
    expect(await list('blue')).toMatchObject({ result: 'later', reason: 'unreachable' })
    expect(await noOvn.ports('blue')).toEqual({ result: 'unasked' })
  })
})
