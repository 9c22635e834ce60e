import { describe, expect, it } from 'vitest'
import { reservations } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReservationFilter } from '../../shared/command/types.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { put } from '../support/drive.ts'
import { reserved, World } from '../support/world.ts'

const SUBNETS = ['net-a', 'net-b', 'net-c']
const ROWS = 8
const names = (what: string) => Array.from({ length: ROWS }, (_, n) => `${n}-${what}`)
const wish = (subnet: string, podName: string) => ({ subnet, namespace: subnet, podName })

/** Three Subnets, in each: rows nobody touches, and between them rows whose owners go and come back. */
async function interleaved(): Promise<World> {
  const world = new World({ quarantineMs: 300_000 })
  for (const [index, subnet] of SUBNETS.entries()) {
    await put(world, { cidrBlock: `10.${30 + index}.0.0/20` }, subnet)
    for (const podName of [...names('stays'), ...names('returns')]) {
      reserved(await reserve(world.ports, world.reserveCommand([wish(subnet, podName)])))
    }
  }
  return world
}

/** What happens to one Subnet between two looks at any: an owner goes, the one before him is back, another is new. */
function unrest(world: World) {
  let turn = 0
  const away: { subnet: string; podName: string }[] = []
  return async () => {
    for (const subnet of SUBNETS) {
      // Before the cursor and behind it.
      for (const n of [turn % ROWS, (turn + ROWS / 2) % ROWS]) {
        const podName = `${n}-returns`
        if (away.some((one) => one.subnet === subnet && one.podName === podName)) continue
        reserved(await release(world.ports, world.releaseCommand(`${podName}.${subnet}`)))
        away.push({ subnet, podName })
      }
      // Ever more of them ahead of the cursor would have no end.
      if (turn > 30) continue
      const fresh = `${turn % ROWS}-new-${turn}`
      reserved(await reserve(world.ports, world.reserveCommand([wish(subnet, fresh)])))
      if (turn % 2 === 1) reserved(await release(world.ports, world.releaseCommand(`${fresh}.${subnet}`)))
    }
    while (away.length > SUBNETS.length) {
      const back = away.shift()
      if (back) reserved(await reserve(world.ports, world.reserveCommand([wish(back.subnet, back.podName)])))
    }
    turn++
  }
}

/** Ports whose ledgers see `change` before and after each page that is read of them: within one page of the list. */
const changing = (ports: CommandPorts, change: () => Promise<void>): CommandPorts => ({
  ...ports,
  ledger: (subnet) => {
    const ledger = ports.ledger(subnet)
    const page: LedgerPort['page'] = async (...parameters) => {
      await change()
      const part = await ledger.page(...parameters)
      await change()
      return part
    }
    return new Proxy(ledger, {
      get: (target, verb: keyof LedgerPort) => (verb === 'page' ? page : target[verb]),
    })
  },
})

async function listed(ports: CommandPorts, filter: ReservationFilter, limit: number) {
  const all: { name: string; id: string }[] = []
  let token: string | undefined
  for (let pages = 0; pages < 400; pages++) {
    const page = await reservations(ports, filter, { limit, ...(token && { continue: token }) })
    if (!page.ok) throw new Error(page.error.detail)
    expect(page.value.items.length).toBeLessThanOrEqual(limit)
    all.push(...page.value.items.map(({ name, id }) => ({ name, id })))
    token = page.value.continue
    if (token === undefined) return all
  }
  throw new Error('no end of pages')
}

const keys = (rows: readonly { name: string; id: string }[]) => rows.map(({ name, id }) => `${name} ${id}`)

describe('a list whose rows change between and during its pages', () => {
  it.each([1, 2, 3, 7, 50])(
    'has each row that stays, or cools down and returns, exactly once (limit %i)',
    async (limit) => {
      const world = await interleaved()
      const before = keys(await listed(world.ports, {}, 1_000))
      expect(before).toHaveLength(SUBNETS.length * ROWS * 2)
      const seen = keys(await listed(changing(world.ports, unrest(world)), {}, limit))
      const known = new Set(before)
      expect(seen.filter((key) => known.has(key))).toEqual(before)
      expect(new Set(seen).size).toBe(seen.length)
    },
  )

  it.each([1, 3, 50])('by a state has each row that was in it throughout (limit %i)', async (limit) => {
    const world = await interleaved()
    const stays = keys(await listed(world.ports, {}, 1_000)).filter((key) => key.includes('-stays.'))
    const seen = keys(await listed(changing(world.ports, unrest(world)), { state: 'bound' }, limit))
    expect(seen.filter((key) => key.includes('-stays.'))).toEqual(stays)
  })
})
