import fc from 'fast-check'
import { expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { expectAgreement } from '../support/agreement.ts'
import { put } from '../support/drive.ts'
import { World } from '../support/world.ts'

const ADDRESSES = ['10.90.0.2', '10.90.0.3', '10.90.0.4', '10.90.0.5', '10.90.0.6']
const PODS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

interface Ask {
  readonly do: 'reserve' | 'release'
  readonly pod: string
  readonly address?: string
}

/** One call as its caller saw it: when it was made, when it was answered, and how. */
interface Told {
  readonly ask: Ask
  readonly from: number
  readonly to: number
  readonly outcome: WriteOutcome
}

const ask: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reserve' as const), pod: fc.constantFrom(...PODS) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      pod: fc.constantFrom(...PODS),
      address: fc.constantFrom(...ADDRESSES),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('release' as const), pod: fc.constantFrom(...PODS) }) },
)

/** Lets one waiting call go on at a time; which one, the choices say. A choice that ran out is 0. */
class Turns {
  private readonly waiting: (() => void)[] = []
  private readonly choices: readonly number[]
  private at = 0

  constructor(choices: readonly number[]) {
    this.choices = choices
  }

  pass(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async until(done: () => boolean, idle: () => Promise<void>): Promise<void> {
    for (let rounds = 0; !done(); rounds++) {
      if (rounds > 20_000) throw new Error('nothing moves any more')
      for (let turn = 0; turn < 6; turn++) await Promise.resolve()
      const choice = this.choices[this.at++] ?? 0
      const [next] = this.waiting.splice(choice % Math.max(this.waiting.length, 1), 1)
      if (next) next()
      else await idle()
    }
  }
}

/** Runs every client's calls in order, all clients at once, each call to ledger or cluster a turn of its own. */
async function interleaved(clients: readonly (readonly Ask[])[], choices: readonly number[]) {
  const world = new World()
  await put(world, { cidrBlock: '10.90.0.0/29' })
  const turns = new Turns(choices)
  const yielding = <T extends object>(port: T): T =>
    new Proxy(port, {
      get:
        (target, verb) =>
        async (...parameters: unknown[]) => {
          await turns.pass()
          return (Reflect.get(target, verb) as (...given: unknown[]) => Promise<unknown>)(...parameters)
        },
    })
  const { cluster, ledger } = world.ports
  const ports = {
    ...world.ports,
    cluster: yielding(cluster),
    ledger: (name: string) => yielding(ledger(name)),
  }
  let now = 0
  let busy = clients.length
  const told: Told[] = []
  const call = ({ do: what, pod, address }: Ask): Promise<WriteOutcome> => {
    if (what === 'reserve') {
      const wish = { subnet: 'lab', podName: pod, ...(address === undefined ? {} : { v4IpAddress: address }) }
      return reserve(ports, world.reserveCommand([wish]))
    }
    const targets = [{ namespace: 'default', podName: pod, subnet: 'lab' }]
    return release(ports, world.releaseCommand('', { targets }))
  }
  const client = async (asks: readonly Ask[]) => {
    for (const each of asks) {
      const from = now++
      const outcome = await call(each)
      told.push({ ask: each, from, to: now++, outcome })
    }
    busy--
  }
  const all = Promise.all(clients.map(client))
  await turns.until(
    () => busy === 0,
    async () => world.clock.advance(50),
  )
  await all
  await world.pass(300_000, 'lab')
  return { world, told }
}

const code = ({ outcome }: Told) => (outcome.kind === 'refused' ? outcome.problem.code : outcome.kind)

/** How long each promise certainly stood: from its 2xx to the next release of its owner that might have ended it. */
function promises(told: readonly Told[]) {
  return told.flatMap((call) => {
    if (call.ask.do !== 'reserve' || call.outcome.kind !== 'done') return []
    const ends = told
      .filter(
        ({ ask, outcome, to }) =>
          ask.do === 'release' && ask.pod === call.ask.pod && outcome.kind !== 'refused' && to > call.from,
      )
      .map(({ from }) => Math.max(from, call.to))
    const address = call.outcome.reservations[0]?.v4IpAddress ?? ''
    return [{ pod: call.ask.pod, address, from: call.to, until: Math.min(...ends, Number.POSITIVE_INFINITY) }]
  })
}

/** The most addresses that may have been in use at some moment of the call: held, promised, or being given back. */
function mayBeFull(told: readonly Told[], call: Told): boolean {
  const users = new Set<string>()
  for (const other of told) {
    if (other === call || other.ask.pod === call.ask.pod || other.ask.do !== 'reserve') continue
    if (other.from < call.to && (other.outcome.kind !== 'refused' || other.to > call.from))
      users.add(other.ask.pod)
  }
  return users.size >= ADDRESSES.length
}

it('calls that interleave anyhow are told a story that some order of them explains', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(ask, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 6 }),
      fc.array(fc.nat(7), { maxLength: 400 }),
      async (clients, choices) => {
        const { world, told } = await interleaved(clients, choices)
        const stood = promises(told)
        for (const one of stood) {
          for (const other of stood) {
            if (one.pod === other.pod || one.address !== other.address) continue
            const overlap = one.from < other.until && other.from < one.until
            expect(overlap, `${one.address} for ${one.pod} and ${other.pod}`).toBe(false)
          }
        }
        for (const call of told) {
          const said = code(call)
          if (said === 'no_capacity') expect(mayBeFull(told, call), JSON.stringify(told)).toBe(true)
          if (call.ask.do === 'reserve') {
            // Nobody who leaves the choice to Berth is told that an address is somebody else's.
            const wished = call.ask.address === undefined ? [] : ['address_taken', 'already_reserved']
            expect(['done', 'no_capacity', 'releasing', 'unavailable', ...wished]).toContain(said)
          } else expect(['done', 'not_found', 'releasing', 'contested']).toContain(said)
        }
        await expectAgreement(world, 'lab')
      },
    ),
    { seed: Number(process.env.SEED ?? 1), numRuns: Number(process.env.HISTORIES ?? 150) },
  )
})
