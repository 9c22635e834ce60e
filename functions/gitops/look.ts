import type { Reservation } from '../../shared/command/types.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { Berth } from '../berth.ts'
import { BERTH_FILE, type BerthFile, DEFAULTS, readBerthFile } from './berth-file.ts'
import { type DesiredState, type GitFile, type GitFinding, keyOf, readDesired } from './desired.ts'
import { lineIn } from './lines.ts'
import { driftOf, type Plan, planOf, type Tracked } from './plan.ts'
import { type GitApi, GitAway } from './provider.ts'

const FILES_LIMIT = 2_000
const FILE_LIMIT_BYTES = 1 << 20
const NO_RESERVATION: ReadonlySet<string> = new Set(['quarantined', 'releasing', 'free', 'foreign'])
/** Calls side by side; a Worker may wait for six heads of replies. */
const AT_ONCE = 6

/** A commit as it is read: what it asks for, or why nothing of it can be believed. */
export interface Commit extends DesiredState {
  readonly settings: BerthFile
}

/** Reads berth.yaml and the manifests of a commit. */
export async function readCommit(api: GitApi, commit: string): Promise<Commit> {
  const tree = await api.tree(commit)
  const settingsBlob = tree.find(({ path }) => path === BERTH_FILE)
  let settings = DEFAULTS
  if (settingsBlob) {
    const text = decode(await api.blob(settingsBlob.blob))
    const read = text === undefined ? undefined : readBerthFile(text)
    if (!read?.ok) {
      const faults = read?.error ?? [{ message: 'is not UTF-8' }]
      const findings = faults.map(({ message }) => error(BERTH_FILE, lineIn(message), message))
      return { desired: [], findings, settings }
    }
    settings = read.value
  }
  const prefix = settings.folder === '' ? '' : `${settings.folder}/`
  const wanted = tree
    .filter(({ path }) => path.startsWith(prefix) && /\.(?:ya?ml|json)$/.test(path) && path !== BERTH_FILE)
    // Without a folder named, files in hidden ones are tools' own.
    .filter(
      ({ path }) =>
        !path
          .slice(prefix.length)
          .split('/')
          .some((part) => part.startsWith('.')),
    )
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  if (wanted.length > FILES_LIMIT)
    return {
      desired: [],
      findings: [error(BERTH_FILE, 1, `more than ${FILES_LIMIT} files; name a folder`)],
      settings,
    }
  const findings: GitFinding[] = []
  const files: GitFile[] = []
  await eachOf(wanted, async ({ path, blob, bytes }, index) => {
    const content = (bytes ?? 0) > FILE_LIMIT_BYTES ? undefined : await api.blob(blob)
    const text = content === undefined || content.byteLength > FILE_LIMIT_BYTES ? undefined : decode(content)
    if (text === undefined)
      findings.push(error(path, 1, `is no UTF-8 text of up to ${FILE_LIMIT_BYTES} bytes`))
    else files[index] = { path, text }
  })
  const read = readDesired(files.filter((file) => file !== undefined))
  return { desired: read.desired, findings: [...findings, ...read.findings], settings }
}

/** The plan for a commit, with what reserve itself would refuse. Changes nothing. */
export async function look(berth: Berth, commit: Commit, tracked: readonly Tracked[]): Promise<Plan> {
  const { desired, settings } = commit
  const actual = await actualOf(berth, [...desired.map(({ item }) => item), ...tracked])
  const plan = planOf({ desired, tracked, actual, settings })
  const refused = new Map<string, GitFinding[]>()
  const asked = new Map(desired.map((wish) => [wish.key, wish]))
  await eachOf(
    plan.entries.filter(({ action }) => action === 'reserve'),
    async (entry) => {
      const wish = asked.get(keyOf(entry))
      if (!wish) return
      const context = { tenant: 'git', requestId: 'plan', dryRun: true, bodyHash: '' }
      const { allowed, findings } = await berth.validate({ ...context, items: [wish.item] })
      if (allowed) return
      refused.set(
        wish.key,
        findings.map(({ field, message, code }) => ({
          ...error(wish.file, wish.lineOf(field), message),
          of: wish.key,
          code,
        })),
      )
    },
  )
  return {
    ...plan,
    entries: plan.entries.map((entry) => {
      const first = refused.get(keyOf(entry))?.[0]
      if (!first) return entry
      const { message: why, code } = first
      return { ...entry, action: 'refuse', why, ...(code === undefined ? {} : { code }) }
    }),
    findings: [...commit.findings, ...plan.findings, ...[...refused.values()].flat()],
  }
}

/** What is not as Git left it; the problem where a ledger does not answer. */
export async function driftNow(
  berth: Berth,
  tracked: readonly Tracked[],
): Promise<Result<readonly string[], Problem>> {
  try {
    return ok(driftOf(tracked, await actualOf(berth, tracked)))
  } catch (error) {
    if (!(error instanceof GitAway)) throw error
    return err(problem('unavailable', `the drift is not known: ${error.message}`))
  }
}

/**
 * The reservations there are of these owners, by key. What is on its way out counts as gone, and an object that Berth has
 * merely seen is none: a reserve adopts it.
 */
export async function actualOf(
  berth: Berth,
  owners: readonly { readonly subnet: string; readonly namespace: string; readonly podName: string }[],
): Promise<Map<string, Reservation>> {
  const actual = new Map<string, Reservation>()
  const wanted = new Map(owners.map((owner) => [keyOf(owner), owner]))
  await eachOf([...wanted.entries()], async ([key, { subnet, namespace, podName }]) => {
    const page = await berth.reservations({ subnet, namespace, podName }, { limit: 10 })
    if (!page.ok) {
      // Without a ledger's answer there is no plan; a Subnet that is not there has no reservations.
      if (page.error.code === 'unknown_subnet' || page.error.code === 'not_found') return
      throw new GitAway(page.error.detail)
    }
    const there = page.value.items.find(({ state }) => !NO_RESERVATION.has(state))
    if (there) actual.set(key, there)
  })
  return actual
}

/** Runs `work` for each, some at a time. */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T, index)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

const error = (file: string, line: number, message: string): GitFinding => ({
  level: 'error',
  file,
  line,
  message,
})

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
