import type { Measurement } from '../suite.ts'
import { Client, post } from './client.ts'
import { median, quantile } from './median.ts'
import type { Sides } from './sides.ts'
import { addresses, groupBody, putSubnet } from './wishes.ts'

const BLOCKS = 7
const BLOCK_PAIRS = 400
const P99_AIM = 1.2
const SHARE = 0.9

export const FULL = 'bench-full'
const EMPTY = 'bench-empty'

/** The slowest hundredth of reserves in a /16 that is 90 % full at random, against one that was empty at the start. */
export async function* fullness(sides: Sides): AsyncIterable<Measurement> {
  const client = await Client.open(sides.berth.port)
  await putSubnet(client, FULL, '10.20.0.0/16')
  await putSubnet(client, EMPTY, '10.21.0.0/16')
  const wanted = addresses('10.20', SHARE)
  for (let from = 0; from < wanted.length; from += 1_000) {
    const chunk = wanted.slice(from, from + 1_000)
    const body = groupBody(
      chunk.map(() => sides.number()),
      FULL,
      chunk,
    )
    await post([client], '/v1/reserve', [body])
  }
  const ratios: number[] = []
  const all: { readonly full: number[]; readonly empty: number[] } = { full: [], empty: [] }
  for (let block = -1; block < BLOCKS; block++) {
    const full: number[] = []
    const empty: number[] = []
    for (let pair = 0; pair < BLOCK_PAIRS; pair++) {
      // Turn about, so that whatever else the machine does meets both alike.
      for (const [subnet, into] of pair % 2 === 0
        ? [[FULL, full] as const, [EMPTY, empty] as const]
        : [[EMPTY, empty] as const, [FULL, full] as const]) {
        const { eachMs } = await post([client], '/v1/reserve', sides.wishes(1, subnet))
        into.push(...eachMs)
      }
    }
    if (block < 0) continue
    ratios.push(quantile(full, 0.99) / quantile(empty, 0.99))
    all.full.push(...full)
    all.empty.push(...empty)
  }
  client.close()
  yield {
    name: 'p99 in a /16 90 % full (naive: empty)',
    value: quantile(all.full, 0.99) * 1000,
    unit: 'µs',
    naive: quantile(all.empty, 0.99) * 1000,
  }
  yield { name: 'p99 in a /16 90 % full over empty', value: median(ratios), unit: 'ratio', aim: P99_AIM }
}
