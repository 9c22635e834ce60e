import { spawn } from 'node:child_process'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** The command and all it started are ended after this long. */
  readonly limitMs: number
  /** Shows what the command writes to standard error while it runs. */
  readonly progress?: boolean
}

/** What a command wrote to standard output. Throws with the end of its standard error when it fails or takes too long. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000)
    if (options.progress) process.stderr.write(text)
  })
  const end = () => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
  }
  process.once('exit', end)
  const timer = setTimeout(end, options.limitMs)
  try {
    const failure = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`))
    })
    if (failure !== undefined) throw new Error(`${command} ${args[0] ?? ''}: ${failure}\n${complaint}`)
    return output
  } finally {
    clearTimeout(timer)
    process.off('exit', end)
  }
}

/** Sends a signal to a process group; a group that is gone is fine. */
export function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
