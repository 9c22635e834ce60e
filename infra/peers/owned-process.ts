import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { signalGroup } from './run.ts'

const STOP_LIMIT_MS = 10_000
const PAUSE_LIMIT_MS = 2_000

/** A program in a process group of its own, which ends when this process ends, however that happens. */
export class OwnedProcess {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #guard: ChildProcess
  readonly #gone: Promise<void>

  /** Output is appended to `logFile`; `env` is added to our own environment. */
  constructor(
    path: string,
    args: readonly string[],
    logFile: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = path.split('/').at(-1) ?? path
    this.logFile = logFile
    const log = openSync(logFile, 'a')
    this.#child = spawn(path, args, {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#gone = new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.once('error', () => resolve())
    })
    this.#guard = guard(this.#child.pid)
    const endWithUs = () => this.#signal('SIGKILL')
    process.once('exit', endWithUs)
    void this.#gone.then(() => {
      process.off('exit', endWithUs)
      this.#guard.kill('SIGKILL')
    })
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Ends it politely, and after a while by force; resolves when it is gone. */
  async stop(): Promise<void> {
    // A paused program would not hear SIGTERM.
    this.resume()
    this.#signal('SIGTERM')
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_LIMIT_MS)
    await this.#gone
    clearTimeout(timer)
  }

  async kill9(): Promise<void> {
    this.#signal('SIGKILL')
    await this.#gone
  }

  /** Stands still once this returns: connections stay open and nothing answers. */
  pause(): void {
    this.#signal('SIGSTOP')
    // On a busy machine a thread may run on for a while.
    const until = Date.now() + PAUSE_LIMIT_MS
    while (this.isRunning && !this.#isStill() && Date.now() < until) {}
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  /** The end of what it wrote. */
  log(): string {
    return readFileSync(this.logFile, 'utf8').slice(-4_000)
  }

  /** Whether every thread is stopped (Linux); elsewhere it is taken for granted. */
  #isStill(): boolean {
    const tasks = `/proc/${this.#child.pid}/task`
    if (!existsSync(tasks)) return true
    return readdirSync(tasks).every((task) => {
      try {
        // The state follows the program's name, which stands in parentheses.
        return /\) [TtZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))
      } catch {
        return true
      }
    })
  }

  #signal(name: NodeJS.Signals): void {
    if (this.isRunning && this.#child.pid !== undefined) signalGroup(this.#child.pid, name)
  }
}

/** Ends the group when the pipe to us closes, which the kernel does even after kill -9. */
function guard(pid: number | undefined): ChildProcess {
  const script = 'trap "" TERM INT HUP; cat >/dev/null; kill -9 -- "-$1" 2>/dev/null'
  const child = spawn('sh', ['-c', script, 'guard', String(pid ?? 0)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // It must not keep this process alive.
  child.unref()
  ;(child.stdin as unknown as { unref?: () => void } | null)?.unref?.()
  return child
}
