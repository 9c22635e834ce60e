/**
 * `npm run chaos -- --rounds N --seed S`: random load on a running workerd, kill -9 at random moments, restart on the
 * same data, retry of everything unanswered, and then a check of everything from outside. Ends with exit code 1 and the
 * history of the names concerned when anything does not hold. The choices follow from the seed; the timing does not.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Violation, violations } from './chaos/check.ts'
import { isRepeatable, Recorder } from './chaos/client.ts'
import { historyOf, isObject, promisedIn } from './chaos/history.ts'
import { runClient, SUBNETS, subnetManifest } from './chaos/load.ts'
import { Prng } from './chaos/prng.ts'
import { readReservations, readSnapshot } from './chaos/snapshot.ts'
import { until } from './wait.ts'
import { type RunningWorkerd, startWorkerd } from './workerd.ts'

const CLIENTS = 8
const SETTLE_LIMIT_MS = 30_000
const REPEATS_PER_ROUND = 20
/** Short, so that take-overs, stragglers and quarantine all happen within a round. */
const VARIABLES = {
  CLUSTER: 'embedded',
  WAIT_MS: '400',
  ACK_MS: '400',
  STRAGGLER_MS: '600',
  CONTROLLER_MS: '800',
  QUARANTINE_MS: '250',
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const rounds = Number(values.rounds)
const seed = Number(values.seed)
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
  console.error('usage: npm run chaos -- --rounds <count> --seed <integer>')
  process.exit(1)
}

const dataDir = mkdtempSync(join(tmpdir(), 'berth-chaos-'))
const recorder = new Recorder()
let running: RunningWorkerd | undefined
let kills = 0
// An interrupted run takes its server with it.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1))

/** The port stays the same over restarts, as it would for a client. */
async function start(port = running?.port ?? 0): Promise<void> {
  running = await startWorkerd({ port, dataDir, vars: VARIABLES })
  recorder.url = running.url
}

async function kill(): Promise<void> {
  kills++
  await running?.kill9()
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function loadAndKill(round: number, random: Prng): Promise<void> {
  let over = false
  const isOver = () => over
  const clients = Array.from({ length: CLIENTS }, (_, client) =>
    runClient(client, CLIENTS, new Prng(seed, round, client), recorder, isOver),
  )
  await pause(random.between(20, 900))
  over = true
  await kill()
  await Promise.all(clients)
}

/** Retries everything; now and then the server dies once more while that goes on. */
async function recover(random: Prng): Promise<void> {
  await start()
  // Sometimes the alarms get the time to finish alone, sometimes the clients are faster.
  if (random.chance(0.3)) await pause(random.between(100, 1500))
  const retry = recorder.retryUnanswered()
  if (random.chance(0.2)) {
    await pause(random.between(5, 200))
    await kill()
    await start()
  }
  await retry
}

/** Waits until nothing moves: no row half done, none cooling down, no operation running. */
async function settle(round: { readonly from: number }): Promise<Violation[]> {
  const operations = new Set(
    recorder.intents
      .slice(round.from)
      .flatMap((intent) => intent.answers.flatMap(promisedIn))
      .map((promised) => promised.operation),
  )
  try {
    await until('rows come to rest', SETTLE_LIMIT_MS, async () => {
      for (const state of ['held', 'releasing', 'quarantined']) {
        if ((await readReservations(recorder, `&state=${state}`)).length > 0) return undefined
      }
      return true
    })
    for (const id of operations) {
      await until(`operation ${id} ends`, SETTLE_LIMIT_MS, async () => {
        const { body } = await recorder.get(`/v1/operations/${encodeURIComponent(id)}`)
        return isObject(body) && body.state === 'running' ? undefined : true
      })
    }
    return []
  } catch (error) {
    return [{ rule: 'everything comes to rest', detail: (error as Error).message, names: [] }]
  }
}

/** The list, the single read and the kept answers must tell the same. */
async function crossRead(random: Prng): Promise<Violation[]> {
  const kept = recorder.intents.filter(isRepeatable)
  for (let i = 0; i < REPEATS_PER_ROUND && kept.length > 0; i++) await recorder.repeat(random.pick(kept))
  const found: Violation[] = []
  for (const row of await readReservations(recorder, '')) {
    const one = await recorder.get(`/v1/reservations/${encodeURIComponent(row.name)}`)
    if (JSON.stringify(one.body) !== JSON.stringify(row)) {
      const detail = `listed as ${JSON.stringify(row)}, read as ${one.status} ${one.text}`
      found.push({ rule: 'a name reads as it is listed', detail, names: [row.name] })
    }
  }
  return found
}

async function run(): Promise<Violation[]> {
  await start()
  for (const space of SUBNETS) if (space.make) await recorder.send(-1, subnetManifest(space))
  for (let round = 0; round < rounds; round++) {
    const random = new Prng(seed, round, -1)
    const from = recorder.intents.length
    await loadAndKill(round, random)
    await recover(random)
    const unsettled = await settle({ from })
    const found = [
      ...unsettled,
      ...(await crossRead(random)),
      ...violations(recorder.intents, await readSnapshot(recorder)),
    ]
    const answered = recorder.intents.length - from
    console.log(`round ${round + 1}: ${answered} requests, ${kills} kills, ${found.length} violations`)
    if (found.length > 0) return found
  }
  return []
}

function report(found: readonly Violation[]): void {
  for (const { rule, detail, names } of found.slice(0, 10)) {
    console.error(`\nVIOLATION: ${rule}\n  ${detail}`)
    for (const name of new Set(names)) {
      console.error(`\n  history of ${name}:`)
      for (const line of historyOf(name, recorder.intents).slice(-60)) console.error(`  ${line}`)
    }
  }
  const statuses = new Map<string, number>()
  for (const intent of recorder.intents) {
    const what = `${intent.kind} ${intent.final?.status ?? 'unanswered'}`
    statuses.set(what, (statuses.get(what) ?? 0) + 1)
  }
  const table = [...statuses]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([what, count]) => `${what}: ${count}`)
  console.log(`answers: ${table.join(', ')}`)
  // Once more at the end: the histories are long, and who keeps only the last lines must see what broke.
  for (const { rule, detail } of found) console.log(`VIOLATION: ${rule}: ${detail.slice(0, 600)}`)
  console.log(
    `seed ${seed}, ${rounds} rounds, ${recorder.requests} requests, ${kills} kills, ${found.length} violations`,
  )
}

let found: Violation[]
try {
  found = await run()
} catch (error) {
  found = [{ rule: 'the server comes back and answers', detail: String(error), names: [] }]
}
await running?.stop()
report(found)
if (found.length > 0) {
  console.error(`The data is left in ${dataDir}`)
  process.exit(1)
}
rmSync(dataDir, { recursive: true, force: true })
