import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import { OvnWorld, ovnContract } from '../ovn/contract.ts'

for (const servers of [1, 3]) {
  ovnContract(`OVN port on ${servers} real ovsdb-server`, async () => {
    const northbound = await startNorthbound({ servers })
    return { tcp: nodeTcp(), remotes: northbound.remotes, close: northbound.stop }
  })
}

describe('ovn-nbctl, asked for a second opinion', () => {
  let northbound: OvnNorthbound
  let world: OvnWorld

  beforeAll(async () => {
    northbound = await startNorthbound()
    world = new OvnWorld({ tcp: nodeTcp(), remotes: northbound.remotes })
    await northbound.nbctl('ls-add', 'ovn-default')
  })
  afterAll(async () => {
    world?.close()
    await northbound?.stop()
  })

  const OWNER = { name: 'web.shop', subnet: 'ovn-default', pod: 'shop/web' }
  const IDS = ['external_ids:vendor=kube-ovn', 'external_ids:ls=ovn-default', 'external_ids:pod=shop/web']

  it('finds what nbctl wrote, cuts it, and nbctl shows no port', async () => {
    await northbound.nbctl(
      ...[
        'lsp-add',
        'ovn-default',
        'web.shop',
        '--',
        'lsp-set-addresses',
        'web.shop',
        '00:00:00:00:00:01 10.16.0.5',
      ],
      ...['--', 'set', 'logical_switch_port', 'web.shop', ...IDS],
    )
    const found = await world.byName(OWNER)
    if (found.result !== 'found') throw new Error(JSON.stringify(found))
    expect((await northbound.nbctl('--bare', '--columns=_uuid', 'list', 'logical_switch_port')).trim()).toBe(
      found.port.uuid,
    )
    expect(await world.cut(OWNER, found.port.uuid)).toEqual({ result: 'cut' })
    expect(await northbound.nbctl('show', 'ovn-default')).not.toContain('port')
    expect((await northbound.nbctl('list', 'logical_switch_port')).trim()).toBe('')
  })

  it('shows the rows of the other writer as Kube-OVN would write them', async () => {
    await world.addPort(OWNER)
    expect(await northbound.nbctl('show', 'ovn-default')).toMatch(
      /port web\.shop\s+addresses: \["00:00:00:00:00:01 10\.16\.0\.5 fd00::5"\]/,
    )
    await northbound.nbctl('lsp-del', 'web.shop')
    expect(await world.byName(OWNER)).toEqual({ result: 'absent' })
  })
})
