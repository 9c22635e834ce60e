/**
 * Ends a process tree when its owner is gone. The owner holds the other end of standard input; when it dies, even by
 * kill -9, the kernel closes that end. Started by start.ts: `node watchdog.ts <pid to end>`.
 */
import { processTree, signal } from './process-tree.ts'

const root = Number(process.argv[2])
// What ends the owner politely is the owner's business; this process stays until the pipe closes.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
process.stdin.resume()
process.stdin.once('close', () => {
  for (const pid of processTree(root)) signal(pid, 'SIGKILL')
  process.exit(0)
})
