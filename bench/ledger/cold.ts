import type { Measurement } from '../suite.ts'
import { Client, post } from './client.ts'
import { FULL } from './fullness.ts'
import { median } from './median.ts'
import type { Sides } from './sides.ts'
import { groupBody, putSubnet, wish } from './wishes.ts'

const STARTS = 5
const FIRST_ANSWER_MS = 50
const WIDE = 'bench-wide'

/** What a caller waits for who is the first to ask an object after a start of the process, which is told apart. */
export async function* cold(sides: Sides): AsyncIterable<Measurement> {
  const client = await Client.open(sides.berth.port)
  await putSubnet(client, WIDE, '11.0.0.0/8')
  await post([client], '/v1/reserve', [groupBody(numbers(sides, 1_000), WIDE)])
  await exhaust(sides, client)
  client.close()
  const startMs: number[] = []
  for (const [name, subnet, status] of [
    ['a full /16', FULL, 507],
    ['a /8 with 1,000 rows', WIDE, 201],
  ] as const) {
    const firstMs: number[] = []
    const nextMs: number[] = []
    for (let start = 0; start < STARTS; start++) {
      startMs.push((await sides.restart()).startMs)
      const caller = await Client.open(sides.berth.port)
      firstMs.push(await asked(caller, sides, subnet, status))
      nextMs.push(await asked(caller, sides, subnet, status))
      caller.close()
    }
    yield {
      name: `first answer of ${name}`,
      value: median(firstMs),
      unit: 'ms',
      aim: FIRST_ANSWER_MS,
    }
    yield { name: `second answer of ${name}`, value: median(nextMs), unit: 'ms' }
  }
  yield { name: 'process start, not counted above', value: median(startMs), unit: 'ms' }
}

/** Reserves until nothing is left. */
async function exhaust(sides: Sides, client: Client): Promise<void> {
  for (let size = 1_000; size >= 1; ) {
    const reply = await client.ask('/v1/reserve', groupBody(numbers(sides, size), FULL))
    if (reply.status === 201) continue
    if (reply.status !== 507) throw new Error(`${reply.status} ${reply.body.slice(0, 500)}`)
    size = Math.floor(size / 2)
  }
}

const numbers = (sides: Sides, count: number) => Array.from({ length: count }, () => sides.number())

async function asked(client: Client, sides: Sides, subnet: string, status: number): Promise<number> {
  const body = JSON.stringify(wish(subnet, `cold-${sides.number()}`))
  const startMs = performance.now()
  const reply = await client.ask('/v1/reserve', body)
  if (reply.status !== status) throw new Error(`${reply.status} ${reply.body}`)
  return performance.now() - startMs
}
