// Find a port and delete it, over a connection that is kept, against ovn-nbctl doing the same; whole releases against
// their calls done bare. npm run bench -- ovn
import { quantile } from '../ledger/median.ts'
import type { Measurement, Suite } from '../suite.ts'
import { releases } from './releases.ts'
import { Side } from './side.ts'

const [FEW, MANY] = [10, 10_000]
const ROUNDS = 400
const NBCTL_ROUNDS = 40
const WARM_UP = 50

/** Turns of both sides one after the other, each first in every second round: the neighbours' load meets both. */
async function inTurn(rounds: number, a: () => Promise<number>, b: () => Promise<number>) {
  const [times, others]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) times.push(await a())
    others.push(await b())
    if (round % 2 === 1) times.push(await a())
  }
  // The machine is shared: the slow ones measure the neighbours.
  return [quantile(times, 0.05), quantile(others, 0.05)] as const
}

async function* measure(few: Side, many: Side): AsyncIterable<Measurement> {
  await inTurn(
    WARM_UP,
    () => few.berth(),
    () => many.berth(),
  )
  for (const [side, ports] of [
    [few, FEW],
    [many, MANY],
  ] as const) {
    const [value, naive] = await inTurn(
      NBCTL_ROUNDS,
      () => side.berth(),
      () => side.nbctl(),
    )
    const name = `find and delete a port, ${ports.toLocaleString('en')} on the switch`
    yield { name, value, unit: 'ms', aim: naive / 10, naive }
  }
  const [bareFew, bareMany] = await inTurn(
    ROUNDS,
    () => few.bare(),
    () => many.bare(),
  )
  const [atFew, atMany] = await inTurn(
    ROUNDS,
    () => few.berth(),
    () => many.berth(),
  )
  const between = `${MANY.toLocaleString('en')} ports / ${FEW}`
  // The server copies the switch's set of ports with each change; that is its own and nobody's to avoid.
  yield { name: `the removal alone, in the server, ${between}`, value: bareMany / bareFew, unit: 'ratio' }
  yield { name: `find and delete, ${between}`, value: atMany / atFew, unit: 'ratio' }
}

/** The OVN port on a real ovsdb-server; `npm run peers` brings it. */
export const ovn: Suite = {
  name: 'ovn',
  async *run() {
    const few = await Side.open(FEW)
    try {
      const many = await Side.open(MANY)
      try {
        yield* measure(few, many)
      } finally {
        await many.close()
      }
    } finally {
      await few.close()
    }
    yield* releases()
  },
}
