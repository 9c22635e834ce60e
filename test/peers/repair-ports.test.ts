import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import { systemClock } from '../../shared/clock.ts'
import { repair } from '../../shared/command/repair/repair.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { systemRandom } from '../../shared/random.ts'
import { COMMAND, lab } from '../support/repair-lab.ts'

/** Ports in a real Northbound database, written with ovn-nbctl, against the ledger. */
describe('repair looks at logical switch ports', () => {
  let northbound: OvnNorthbound
  let ovn: Northbound
  beforeAll(async () => {
    northbound = await startNorthbound()
    const remotes = parseRemotes(northbound.remotes)
    if (!remotes.ok) throw new Error(remotes.error)
    ovn = new Northbound({ tcp: nodeTcp(), clock: systemClock, random: systemRandom, remotes: remotes.value })
    await northbound.nbctl('ls-add', 'lab')
    for (const [name, pod, address] of [
      ['web.default', 'default/web', '10.30.1.2'],
      ['ghost.default', 'default/ghost', '10.30.1.3'],
    ] as const) {
      await northbound.nbctl(
        ...['lsp-add', 'lab', name, '--', 'lsp-set-addresses', name, `00:00:00:00:00:01 ${address}`],
        ...['--', 'set', 'logical_switch_port', name],
        ...['external_ids:vendor=kube-ovn', 'external_ids:ls=lab', `external_ids:pod=${pod}`],
      )
    }
  })
  afterAll(async () => {
    ovn?.close()
    await northbound?.stop()
  })

  it('finds one without object and with a reserved address, and cuts none', async () => {
    const { ports } = await lab({ ovn })
    const before = await northbound.nbctl('list', 'logical_switch_port')
    for (const dryRun of [true, false]) {
      const outcome = await repair(ports, { ...COMMAND, dryRun })
      expect(outcome).toMatchObject({
        subnets: [
          {
            ports: 'compared',
            total: 2,
            findings: [
              { kind: 'foreign_holder', names: ['db.default', 'ghost.default'], addresses: ['10.30.1.3'] },
              { kind: 'port_without_object', names: ['ghost.default'], outcome: 'not_repaired' },
            ],
          },
        ],
      })
    }
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe(before)
    await northbound.nbctl('lsp-del', 'ghost.default')
    expect(await repair(ports, { ...COMMAND, dryRun: true })).toMatchObject({
      subnets: [{ ports: 'compared', findings: [] }],
    })
  })
})
