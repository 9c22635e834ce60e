import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import { leaderOf, type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import type { OvsdbLimits } from '../../shared/ovn/ovsdb/limits.ts'
import type { OvnEvidence, PortOwner } from '../../shared/ovn/port.ts'
import { OvnWorld } from '../ovn/contract.ts'
import { TamperedTcp } from '../support/tampered-tcp.ts'

const PORT = 'Logical_Switch_Port'
const LIMIT_MS = 30_000
const QUICK: Partial<OvsdbLimits> = {
  callMs: 1_000,
  connectMs: 500,
  cancelMs: 200,
  backoffMs: 50,
  backoffCapMs: 200,
}

interface Weather {
  readonly northbound: OvnNorthbound
  readonly tcp: TamperedTcp
  readonly world: OvnWorld
}

let open: Weather | undefined
afterEach(async () => {
  open?.world.close()
  await open?.northbound.stop()
  open = undefined
})

async function weather(servers = 1): Promise<Weather> {
  const northbound = await startNorthbound({ servers })
  const tcp = new TamperedTcp(nodeTcp())
  const world = new OvnWorld({ tcp, remotes: northbound.remotes }, nodeTcp(), QUICK)
  open = { northbound, tcp, world }
  return open
}

/** Does it once, when the transaction that cuts is about to be sent. */
function atTheCut(tcp: TamperedTcp, act: () => Promise<unknown>, then?: 'last'): void {
  tcp.before = async (text) => {
    if (!text.includes('"mutate"')) return undefined
    tcp.before = undefined
    await act()
    return then
  }
}

/** Asks again as the ledger does, as long as the answer is not final. */
function cutInTheEnd(world: OvnWorld, owner: PortOwner, id: string): Promise<OvnEvidence> {
  return until('the cut comes to an end', LIMIT_MS, async () => {
    const evidence = await world.cut(owner, id)
    return evidence.result === 'later' || evidence.result === 'unknown' ? undefined : evidence
  })
}

describe('one ovsdb-server', () => {
  it('loses a reply after the commit: found out by reading, cut once (faults.md 33)', async () => {
    const { tcp, world, northbound } = await weather()
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    atTheCut(tcp, async () => {}, 'last')
    expect(await world.cut(owner, id)).toEqual({ result: 'absent' })
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
  })

  it('loses the reply, and the port is made anew before anybody looks: it stays', async () => {
    const { tcp, world } = await weather()
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    atTheCut(tcp, async () => {}, 'last')
    const evidence = world.cut(owner, id)
    await until('the port is gone', LIMIT_MS, async () => ((await world.row(PORT, id)) ? undefined : true))
    const fresh = await world.addPort(owner)
    expect(['absent', 'not_ours']).toContain((await evidence).result)
    expect(await world.cut(owner, id)).toMatchObject({ result: 'not_ours', port: { uuid: fresh } })
    expect(await world.row(PORT, fresh)).toBeDefined()
  })

  it('has another writer who makes the port anew between check and cut: it stays', async () => {
    const { tcp, world } = await weather()
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    let fresh = ''
    atTheCut(tcp, async () => {
      await world.dropPort(owner, id)
      fresh = await world.addPort(owner)
    })
    expect(await world.cut(owner, id)).toMatchObject({ result: 'not_ours', why: 'it was made anew' })
    expect(await world.row(PORT, fresh)).toBeDefined()
  })

  it('stands still in the middle of a cut: unknown, and when it goes on the cut comes to an end', async () => {
    const { tcp, world, northbound } = await weather()
    const [server] = northbound.servers
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    atTheCut(tcp, async () => server?.pause())
    expect(await world.cut(owner, id)).toMatchObject({ result: 'unknown' })
    expect(await world.byName(owner)).toMatchObject({ result: 'later', reason: 'unreachable' })
    server?.resume()
    expect(['cut', 'absent']).toContain((await cutInTheEnd(world, owner, id)).result)
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
  })

  it('is killed in the middle of a cut and comes back', async () => {
    const { tcp, world, northbound } = await weather()
    const [server] = northbound.servers
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    atTheCut(tcp, async () => server?.kill9())
    expect(['unknown', 'later']).toContain((await world.cut(owner, id)).result)
    await server?.restart()
    expect(['cut', 'absent']).toContain((await cutInTheEnd(world, owner, id)).result)
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
  })

  it('what a cut reported done is still done after the server was killed', async () => {
    const { world, northbound } = await weather()
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    expect(await world.cut(owner, id)).toEqual({ result: 'cut' })
    await northbound.servers[0]?.kill9()
    await northbound.servers[0]?.restart()
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
  })

  it('is restarted while ports come and go: what is read afterwards is what is there', async () => {
    const { world, northbound } = await weather()
    const [stays, goes, comes] = [await world.newOwner(), await world.newOwner(), await world.newOwner()]
    await world.addPort(stays)
    const id = await world.addPort(goes)
    await world.byName(stays)
    await northbound.servers[0]?.restart()
    await northbound.nbctl('lsp-del', goes.name)
    await northbound.nbctl('lsp-add', comes.subnet, comes.name)
    const names = async () =>
      (await world.ovn.send([stays, goes, comes].map((owner) => ({ verb: 'name', owner })))).map(
        (one) => one.result,
      )
    await until('it is connected again', LIMIT_MS, async () =>
      (await names()).includes('later') ? undefined : true,
    )
    expect(await names()).toEqual(['found', 'absent', 'not_ours'])
    expect(await world.cut(goes, id)).toEqual({ result: 'absent' })
  })
})

describe('a cluster of three', () => {
  it('moves its leader in the middle of a cut (faults.md 35)', async () => {
    const { tcp, world, northbound } = await weather(3)
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    await world.byName(owner)
    const first = await leaderOf(northbound)
    atTheCut(tcp, async () => {
      await first.control('cluster/failure-test', 'transfer-leadership')
      await until('another one leads', LIMIT_MS, async () =>
        (await leaderOf(northbound)) === first ? undefined : true,
      )
    })
    expect(['cut', 'absent']).toContain((await cutInTheEnd(world, owner, id)).result)
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
    const leader = await leaderOf(northbound)
    expect(leader).not.toBe(first)
    await until('the new leader is asked', LIMIT_MS, async () =>
      (await world.ovn.status()).detail.startsWith(leader.remote) ? true : undefined,
    )
  })

  it.each(['kill9', 'pause'] as const)('has its leader go away in the middle of a cut: %s', async (how) => {
    const { tcp, world, northbound } = await weather(3)
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    await world.byName(owner)
    const first = await leaderOf(northbound)
    atTheCut(tcp, async () => first[how]())
    expect(['cut', 'absent']).toContain((await cutInTheEnd(world, owner, id)).result)
    if (how === 'pause') first.resume()
    else await first.restart()
    expect(await northbound.nbctl('list', 'logical_switch_port')).toBe('')
  })

  it('without a majority answers nobody, and answers again with one', async () => {
    const { world, northbound } = await weather(3)
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    const leader = await leaderOf(northbound)
    const others = northbound.servers.filter((server) => server !== leader)
    await Promise.all(others.map((server) => server.kill9()))
    await until('nobody leads', LIMIT_MS, async () => {
      const evidence = await world.byName(owner)
      return evidence.result === 'later' && evidence.reason === 'no_leader' ? true : undefined
    })
    expect(await world.cut(owner, id)).toMatchObject({ result: 'later' })
    await Promise.all(others.map((server) => server.restart()))
    expect(await cutInTheEnd(world, owner, id)).toEqual({ result: 'cut' })
  })

  it('tells after a broken connection what changed meanwhile', async () => {
    const { tcp, world } = await weather(3)
    const [goes, comes] = [await world.newOwner(), await world.newOwner()]
    const id = await world.addPort(goes)
    await world.byName(goes)
    tcp.cutAll()
    await world.dropPort(goes, id)
    await world.addPort(comes)
    await until('it is connected again', LIMIT_MS, async () =>
      (await world.byName(goes)).result === 'later' ? undefined : true,
    )
    expect(await world.byName(goes)).toEqual({ result: 'absent' })
    expect(await world.byName(comes)).toMatchObject({ result: 'found' })
  })
})
