import type { Measurement } from '../suite.ts'
import { Client } from './client.ts'
import { median } from './median.ts'
import type { Sides } from './sides.ts'
import { GROUP, groupBody } from './wishes.ts'

const BLOCKS = 7
const WARM_UP = 5
/** A rate of half the bare one. */
const TIME_OVER_BARE = 1 / 0.5

/** A group of 1,000 against the rows it leaves, written once each in one transaction an object. */
export async function* group(sides: Sides): AsyncIterable<Measurement> {
  const berth = await Client.open(sides.berth.port)
  const bare = await Client.open(sides.bare.port)
  const berthMs: number[] = []
  const bareMs: number[] = []
  let replyBytes = 1_000_000
  for (let block = -WARM_UP; block < BLOCKS; block++) {
    const body = groupBody(Array.from({ length: GROUP }, () => sides.number()))
    const bareBody = await loadBare(sides, replyBytes)
    const bareFirst = block % 2 === 0
    const before = bareFirst ? await timed(bare, '/group', bareBody) : undefined
    const own = await timed(berth, '/v1/reserve', body)
    const other = before ?? (await timed(bare, '/group', bareBody))
    replyBytes = own.bytes
    if (block < 0) continue
    berthMs.push(own.tookMs)
    bareMs.push(other.tookMs)
  }
  berth.close()
  bare.close()
  yield { name: 'group of 1,000', value: median(berthMs), unit: 'ms', naive: median(bareMs) }
  yield {
    name: 'group of 1,000: time over bare',
    value: median(berthMs.map((ms, block) => ms / bareMs[block]!)),
    unit: 'ratio',
    aim: TIME_OVER_BARE,
  }
}

async function loadBare(sides: Sides, replyBytes: number): Promise<string> {
  const { recording } = sides
  const first = sides.number()
  const numbers = [first, ...Array.from({ length: GROUP - 1 }, () => sides.number())]
  const changes = recording.lastChange()
  const lines = recording.lastLine()
  const { operation, turns } = await recording.reserve(first, GROUP)
  const { subnet, cluster } = recording.rowsOf(operation, changes, lines)
  const sent = [turns[0]!, turns[1]!, turns[2]!]
  await sides.load({ hold: [subnet], send: [cluster], report: [] }, sent, replyBytes)
  return groupBody(numbers)
}

async function timed(client: Client, path: string, body: string) {
  await client.ready()
  const startMs = performance.now()
  const reply = await client.ask(path, body)
  if (reply.status !== 201) throw new Error(`${path}: ${reply.status} ${reply.body.slice(0, 500)}`)
  return { tookMs: performance.now() - startMs, bytes: reply.bytes }
}
