import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A lock without an owner's id is one whose owner died (or is about to write it): wait this long before taking over. */
const OWNERLESS_MS = 5_000

/** Where the programs are kept between runs, outside the tree. Moves with XDG_CACHE_HOME. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(base, 'berth', 'peers')
}

/** The folder of that key, or undefined when it was never completed. */
export function cached(key: string): string | undefined {
  const folder = join(cacheFolder(), key)
  return existsSync(folder) ? folder : undefined
}

/**
 * The folder of that key, filled by `fill` unless it is there already. It appears whole (rename) or not at all; of
 * several processes that ask at once one fills it and the others wait for it.
 */
export async function provide(key: string, fill: (draft: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), key)
  mkdirSync(cacheFolder(), { recursive: true })
  const lock = `${folder}.lock`
  while (!existsSync(folder)) {
    if (!takeLock(lock)) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      continue
    }
    try {
      if (!existsSync(folder)) await fillAndRename(folder, fill)
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return folder
}

async function fillAndRename(folder: string, fill: (draft: string) => Promise<void>): Promise<void> {
  const draft = mkdtempSync(`${folder}.draft-`)
  try {
    await fill(draft)
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}

/** True when this process holds the lock now. The lock of a process that is gone is moved away. */
function takeLock(lock: string): boolean {
  try {
    mkdirSync(lock)
    writeFileSync(join(lock, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (isAbandoned(lock)) {
    const away = `${lock}.${process.pid}`
    try {
      renameSync(lock, away)
      rmSync(away, { recursive: true, force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return false
}

function isAbandoned(lock: string): boolean {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'))
    process.kill(pid, 0)
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return false
  }
  const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
  return since !== undefined && Date.now() - since > OWNERLESS_MS
}
