/**
 * npm run simulate:mutations -- [--ci | --known] [--only M2,F1] [--seeds N] [--fixtures]
 *
 * Each mutation is put into a scratch copy, where some seed must fail with an invariant that is named for it. --ci: three
 * in rotation by revision, each by the seed that is known to catch it, or, where a change of the choices has moved that,
 * by one of the first few. A survivor fails the run. --known: all of them so.
 * --fixtures: the run that caught each, made small, becomes a fixture.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { MUTATIONS, type Mutation, UNDONE, WAITING } from './list.ts'

/** Seeds tried where the known one catches nothing any more. */
const FEW = '250'
const ROOT = resolve(import.meta.dirname, '../../..')
const { values } = parseArgs({
  options: {
    ci: { type: 'boolean', default: false },
    only: { type: 'string' },
    known: { type: 'boolean', default: false },
    fixtures: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '2000' },
  },
})

const all = [...MUTATIONS, ...UNDONE]
const named = values.only?.split(',')
const chosen = named ? all.filter(({ id }) => named.includes(id)) : values.ci ? inRotation(all) : all
let survived = 0
for (const mutation of chosen) {
  const caught = inCopy(mutation, (copy) => {
    const found = known(copy, mutation) ?? search(copy, mutation)
    if (found && values.fixtures) keep(copy, mutation.id, found)
    return found
  })
  if (!caught) survived++
  const how = caught ? `seed ${caught.seed}, invariant ${caught.invariant}` : 'no seed'
  console.log(`${mutation.id.padEnd(4)} ${caught ? 'caught' : 'SURVIVED'} by ${how}: ${mutation.what}`)
}
for (const [id, why] of Object.entries(WAITING)) console.log(`${id.padEnd(4)} WAITS, not tried: ${why}`)
console.log(
  `${chosen.length - survived} caught, ${survived} survived, ${Object.keys(WAITING).length} wait for what this mode lacks`,
)
process.exitCode = survived > 0 || chosen.length === 0 ? 1 : 0

interface Caught {
  readonly seed: number
  readonly invariant: string
}

function known(copy: string, { id, seed, caughtBy }: Mutation): Caught | undefined {
  if (seed === undefined || !(values.ci || values.known)) return undefined
  const found = run(copy, String(seed), '1', caughtBy)
  if (!found) console.log(`${id.padEnd(4)} is not caught by seed ${seed} any more`)
  return found
}

function search(copy: string, { caughtBy }: Mutation): Caught | undefined {
  return run(copy, '1', values.ci || values.known ? FEW : values.seeds, caughtBy)
}

/** The first seed that violates one of the invariants there. */
function run(copy: string, from: string, seeds: string, until: readonly string[]): Caught | undefined {
  const args = ['test/simulation/run.ts', '--from', from, '--seeds', seeds, '--until', until.join()]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })
  const found = /^ {2}seed (\d+): invariant (.+)$/m.exec(stdout)
  if (found) return { seed: Number(found[1]), invariant: found[2] ?? '' }
  if (status !== 0) throw new Error(`the copy does not run: ${stderr}`)
  return undefined
}

/** The run that caught it, made small: a fixture, which this tree passes. */
function keep(copy: string, id: string, { seed }: Caught): void {
  const args = ['test/simulation/run.ts', '--replay', String(seed), '--shrink']
  spawnSync(process.execPath, args, { cwd: copy })
  cpSync(join(copy, `simulation-${seed}.json`), join(ROOT, 'test/data/simulation', `${id}.json`))
}

function inCopy<T>({ id, edits }: Mutation, work: (copy: string) => T): T {
  const copy = mkdtempSync(join(tmpdir(), `berth-${id}-`))
  try {
    for (const folder of ['shared', 'test/simulation', 'test/support']) {
      cpSync(join(ROOT, folder), join(copy, folder), { recursive: true })
    }
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'))
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    for (const { file, find, put } of edits) {
      const text = readFileSync(join(copy, file), 'utf8')
      if (text.split(find).length !== 2) throw new Error(`${id}: ${file} does not have once: ${find}`)
      writeFileSync(
        join(copy, file),
        text.replace(find, () => put),
      )
    }
    return work(copy)
  } finally {
    rmSync(copy, { recursive: true })
  }
}

function inRotation(mutations: readonly Mutation[]): readonly Mutation[] {
  const known = mutations.filter(({ seed }) => seed !== undefined)
  const revision = Number.parseInt(
    execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], { encoding: 'utf8' }),
    16,
  )
  return [0, 1, 2].flatMap((step) => known[(revision + step) % known.length] ?? [])
}
