import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** Every process of the machine; empty where neither /proc nor `ps` tells. */
function processTable(): ProcessRow[] {
  return existsSync('/proc/self/stat') ? tableOfProc() : tableOfPs()
}

/** Linux, also in containers too small to have `ps`. */
function tableOfProc(): ProcessRow[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      // proc(5): pid (comm) state ppid …; comm may hold anything, closing brackets too.
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      return [{ pid: Number(name), parent, command }]
    } catch {
      return [] // It ended in the meantime.
    }
  })
}

function tableOfPs(): ProcessRow[] {
  let table: string
  try {
    table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8', maxBuffer: 16 << 20 })
  } catch {
    return []
  }
  return table.split('\n').flatMap((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return pid ? [{ pid: Number(pid), parent: Number(parent), command }] : []
  })
}

/** The process ids of `root` and everything it started, children first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const row of processTable()) children.set(row.parent, [...(children.get(row.parent) ?? []), row.pid])
  const tree: number[] = []
  const visit = (pid: number) => {
    for (const child of children.get(pid) ?? []) visit(child)
    tree.push(pid)
  }
  visit(root)
  return tree
}

/** The npm this process runs under, if it does: the shell between them passes no signal on. */
export function npmAbove(): number | undefined {
  if (process.env.npm_lifecycle_event === undefined) return undefined
  const rows = new Map(processTable().map((row) => [row.pid, row]))
  let row = rows.get(process.ppid)
  for (let level = 0; row && level < 3; level++) {
    if (/^npm |\bnpm(-cli\.js)? /.test(`${row.command} `)) return row.pid
    row = rows.get(row.parent)
  }
  return undefined
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Sends a signal to a process that may be gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
