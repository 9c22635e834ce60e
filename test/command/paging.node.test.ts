import { expect, it } from 'vitest'
import { reservations } from '../../shared/command/find.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReservationFilter } from '../../shared/command/types.ts'
import { put } from '../support/drive.ts'
import { reserved, World } from '../support/world.ts'

const MAC = '00:00:00:0a:0b:0c'
const SUBNETS = ['net-a', 'net-b', 'net-c']

/**
 * One MAC in three Subnets; one owner in as many, by three providers, so that the names differ; and one address that
 * is in each of them.
 */
async function three(): Promise<World> {
  const world = new World()
  for (const [index, subnet] of SUBNETS.entries()) {
    await put(
      world,
      { cidrBlock: '10.30.0.0/24', provider: `p${index}.default.ovn`, vpc: `vpc-${index}` },
      subnet,
    )
    const wish = { subnet, podName: 'web', v4IpAddress: '10.30.0.9', macAddress: MAC }
    reserved(await reserve(world.ports, world.reserveCommand([wish])))
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet, podName: 'other' }])))
  }
  return world
}

/** Page after page; each may be shorter than the limit, none longer. */
async function pages(world: World, filter: ReservationFilter, limit: number): Promise<readonly string[][]> {
  const all: string[][] = []
  let token: string | undefined
  do {
    const page = await reservations(world.ports, filter, { limit, ...(token && { continue: token }) })
    if (!page.ok) throw new Error(page.error.detail)
    expect(page.value.items.length).toBeLessThanOrEqual(limit)
    all.push(page.value.items.map(({ subnet, owner }) => `${subnet}/${owner.name}`))
    token = page.value.continue
  } while (token !== undefined && all.length < 20)
  return all
}

const FILTERS: readonly (readonly [string, ReservationFilter])[] = [
  ['namespace and podName', { namespace: 'default', podName: 'web' }],
  ['a MAC', { mac: MAC }],
  ['an address', { address: '10.30.0.9' }],
]

it.for(FILTERS.flatMap(([what, filter]) => [1, 2, 3, 4].map((limit) => [what, limit, filter] as const)))(
  'a list by %s keeps a limit of %i and misses nothing',
  async ([, limit, filter]) => {
    const world = await three()
    const found = await pages(world, filter, limit)
    expect(found.flat()).toEqual(SUBNETS.map((subnet) => `${subnet}/web`))
    // The last page may be empty: what the Subnets behind it hold is known only when they are asked.
    expect(found.filter((page) => page.length > 0)).toHaveLength(Math.ceil(SUBNETS.length / limit))
  },
)

it.for([1, 2, 3, 5, 6, 7])('a list of all keeps a limit of %i and misses nothing', async (limit) => {
  const world = await three()
  const found = (await pages(world, {}, limit)).flat()
  expect(found).toEqual(SUBNETS.flatMap((subnet) => [`${subnet}/other`, `${subnet}/web`]))
})

it('a token of a list with other filters is refused', async () => {
  const world = await three()
  const first = await reservations(world.ports, { mac: MAC }, { limit: 1 })
  const token = first.ok ? first.value.continue : undefined
  if (token === undefined) throw new Error('no token')
  for (const filter of [{}, { subnet: 'net-a' }, { mac: MAC, state: 'bound' as const }]) {
    const page = await reservations(world.ports, filter, { limit: 1, continue: token })
    expect(page).toMatchObject({ ok: false, error: { code: 'invalid_field', field: 'continue' } })
  }
})
