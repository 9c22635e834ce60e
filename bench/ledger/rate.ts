import type { Measurement } from '../suite.ts'
import { Client, connections, post } from './client.ts'
import { median } from './median.ts'
import type { Sides } from './sides.ts'

const BLOCKS = 9
const BLOCK_REQUESTS = 300
const CLIENTS: readonly number[] = [1, 16, 64]
/** Blocks nobody counts: code is compiled, connections are opened. */
const WARM_UP = 12
/** A rate of 0.8 of the bare one. */
const TIME_OVER_BARE = 1 / 0.8

/** Reserve against the same calls and row writes done bare, in blocks that alternate. */
export async function* rate(sides: Sides): AsyncIterable<Measurement> {
  const replyBytes = await replySize(sides)
  for (const clients of CLIENTS) {
    const berth = await connections(sides.berth.port, clients)
    const bare = await connections(sides.bare.port, clients)
    const berthMicros: number[] = []
    const bareMicros: number[] = []
    for (let block = -WARM_UP; block < BLOCKS; block++) {
      const bareBodies = await sides.bareWishes(BLOCK_REQUESTS, replyBytes)
      const bodies = sides.wishes(BLOCK_REQUESTS)
      const berthTurn = async () => (await post(berth, '/v1/reserve', bodies)).tookMs
      const bareTurn = async () => (await post(bare, '/v1/reserve', bareBodies)).tookMs
      const first = block % 2 === 0 ? await bareTurn() : await berthTurn()
      const second = block % 2 === 0 ? await berthTurn() : await bareTurn()
      const [berthMs, bareMs] = block % 2 === 0 ? [second, first] : [first, second]
      if (block < 0) continue
      berthMicros.push((berthMs * 1000) / BLOCK_REQUESTS)
      bareMicros.push((bareMs * 1000) / BLOCK_REQUESTS)
    }
    for (const client of [...berth, ...bare]) client.close()
    yield {
      name: `reserve, ${clients} clients`,
      value: median(berthMicros),
      unit: 'µs',
      naive: median(bareMicros),
    }
    yield {
      name: `reserve, ${clients} clients: time over bare`,
      value: median(berthMicros.map((micros, block) => micros / bareMicros[block]!)),
      unit: 'ratio',
      aim: TIME_OVER_BARE,
    }
  }
  yield* writes(sides, replyBytes)
}

/** Rows and index entries a reserve writes, as SQLite counts them in the bare Worker, which writes the same. */
async function* writes(sides: Sides, replyBytes: number): AsyncIterable<Measurement> {
  await sides.bareRowsWritten()
  const bodies = await sides.bareWishes(1, replyBytes)
  const bare = await Client.open(sides.bare.port)
  await post([bare], '/v1/reserve', bodies)
  bare.close()
  yield {
    name: 'reserve, rows and index entries written',
    value: await sides.bareRowsWritten(),
    unit: 'rows',
  }
}

async function replySize(sides: Sides): Promise<number> {
  const client = await Client.open(sides.berth.port)
  const reply = await client.ask('/v1/reserve', sides.wishes(1)[0]!)
  client.close()
  return reply.bytes
}
