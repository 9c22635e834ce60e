/**
 * `npm start`: Berth in workerd through `wrangler dev`, on loopback, with its data in a folder that outlives it.
 *
 *   PORT  port on 127.0.0.1 (8787)      DATA  folder of the embedded data (.berth)
 *
 * wrangler and workerd stay in this process's group, so `kill -9 -<group>` ends all of them; when only this process
 * is killed, the watchdog ends the rest.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { misread } from '../../functions/misread.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { setVariables } from '../variables.ts'
import { claimFolder } from './claim.ts'
import { isAlive, npmAbove, processTree, signal } from './process-tree.ts'
import { answers200, until } from './wait.ts'

const READY_LIMIT_MS = 60_000
/** How long a server that was just killed may still hold its port or folder. */
const HANDOVER_MS = 3000
const STOP_LIMIT_MS = 5000
const NPM_CHECK_MS = 200

const PID_FILE = 'berth.pid'
const VARIABLES_FILE = 'variables.env'

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, '../..')

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

/** A variable the Worker would refuse at every request is refused here, once. */
function checkVariables(): void {
  const wrong = misread(setVariables(process.env), parseRemotes)
  if (wrong.length > 0) fail(`${wrong.join('.\n')}.`)
}

function readPort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) fail(`PORT must be a port number, not "${text}".`)
  return port
}

function portIsFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer()
    probe.once('error', () => done(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })
}

/** Asks at once, and again for a moment: a server killed just now may not have let go yet. */
async function orGiveUp<T>(what: string, message: string, ask: () => Promise<T | undefined>): Promise<T> {
  return until(what, HANDOVER_MS, ask).catch(() => fail(message))
}

/** Builds what the Worker serves from disk. */
async function prepareAssets(): Promise<void> {
  const script = join(here, 'assets.ts')
  if (!existsSync(script)) return
  const child = spawn(process.execPath, [script], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await new Promise((done) => child.once('exit', done))
  if (code !== 0) fail(`preparing the assets failed (${script}, exit code ${code}).`)
}

/** Step by step: in places like /proc Node's own recursive mkdir never ends. */
function makeFolder(path: string): void {
  if (!existsSync(path)) {
    makeFolder(dirname(path))
    mkdirSync(path)
  }
  readdirSync(path)
}

/** The variables go by file: a command line can be read by every user of the machine. */
function writeVariables(folder: string): string {
  const path = join(folder, VARIABLES_FILE)
  const lines = Object.entries(setVariables(process.env)).map(([name, value]) => {
    const quote = ["'", '"', '`'].find((mark) => !value.includes(mark))
    if (!quote) fail(`${name} holds all three kinds of quotes, which cannot be passed on.`)
    // A dollar sign would be taken for a variable of its own.
    return `${name}=${quote}${value.replaceAll('$', '\\$')}${quote}\n`
  })
  rmSync(path, { force: true })
  writeFileSync(path, lines.join(''), { mode: 0o600 })
  return path
}

function startWrangler(port: number, folder: string): ChildProcess {
  const manifest = createRequire(import.meta.url).resolve('wrangler/package.json')
  const options = {
    ip: '127.0.0.1',
    port: String(port),
    'inspector-port': '0',
    'persist-to': folder,
    'env-file': writeVariables(folder),
    'show-interactive-dev-session': 'false',
    'log-level': 'warn',
    // Else it warns that nobody rings the cron trigger; here the mirror's own alarm does.
    'test-scheduled': 'true',
  }
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return spawn(process.execPath, [join(dirname(manifest), 'bin/wrangler.js'), 'dev', ...flags], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      // Nothing leaves the machine, nothing is asked, nothing is written outside the data folder.
      CI: '1',
      DO_NOT_TRACK: '1',
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_SEND_ERROR_REPORTS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_WRITE_LOGS: 'false',
      WRANGLER_NO_SKILLS_UPDATE_PROMPTS: 'true',
      WRANGLER_REGISTRY_PATH: join(folder, 'registry'),
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      X_LOCAL_EXPLORER: 'false',
      X_LOCAL_OBSERVABILITY: 'false',
    },
  })
}

function startWatchdog(pid: number): void {
  const child = spawn(process.execPath, [join(here, 'watchdog.ts'), String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
}

/** Ends wrangler and what it started: first politely, if there is time, then not. */
async function stop(wrangler: ChildProcess, politely: boolean): Promise<void> {
  const pid = wrangler.pid
  if (pid === undefined) return
  const tree = processTree(pid)
  if (politely) {
    signal(pid, 'SIGTERM')
    await until('wrangler ends', STOP_LIMIT_MS, () => (hasEnded(wrangler) ? true : undefined)).catch(() => {})
  }
  for (const member of tree) signal(member, 'SIGKILL')
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** As short as it can be said from here. */
function folderName(folder: string): string {
  const name = relative(process.cwd(), folder)
  return name.startsWith('..') ? folder : name || '.'
}

function greeting(url: string, folder: string): string {
  const { ACCESS, ADMIN_KEY_SHA256 } = process.env
  if (ACCESS === 'required' && !ADMIN_KEY_SHA256)
    return `Berth is at ${url}, its data in ${folderName(folder)}. Ctrl-C ends it. ACCESS=required, and nobody has a key yet:

  npm run keys -- admin     makes one; start again with the ADMIN_KEY_SHA256 that it prints
`
  const key = ACCESS === 'required' ? ` -H "Authorization: Bearer $BERTH_KEY"` : ''
  return `Berth is at ${url}, its data in ${folderName(folder)}. Ctrl-C ends it. Three commands to try:

  curl -s ${url}/v1/reserve${key} -H 'Content-Type: application/json' -d '{"subnet": "ovn-default", "namespace": "default", "podName": "web-0", "podType": "StatefulSet"}'
  curl -s ${url}/v1/reservations/web-0.default${key}
  curl -s ${url}/v1/release${key} -H 'Content-Type: application/json' -d '{"name": "web-0.default"}'
`
}

checkVariables()
const port = readPort(process.env.PORT || '8787')
const folder = resolve(process.env.DATA || join(root, '.berth'))
try {
  makeFolder(folder)
} catch (error) {
  fail(`DATA=${folder} cannot be made or is no folder (${(error as NodeJS.ErrnoException).code}).`)
}

await orGiveUp(
  'the data folder is free',
  `Another Berth is already running on the data in ${folder}. Stop it, or choose another folder with DATA.`,
  () => claimFolder(folder),
)
await orGiveUp(
  'the port is free',
  `Port ${port} on 127.0.0.1 is taken by another program. Choose another one with PORT.`,
  async () => ((await portIsFree(port)) ? true : undefined),
)
await prepareAssets()

// Killing this process ends all of Berth: see the watchdog.
writeFileSync(join(folder, PID_FILE), `${process.pid}\n`)
const wrangler = startWrangler(port, folder)
if (wrangler.pid === undefined) fail('wrangler could not be started.')
startWatchdog(wrangler.pid)

let ending = false
const end = async (code: number, politely = true) => {
  if (ending) return
  ending = true
  await stop(wrangler, politely)
  for (const name of [PID_FILE, VARIABLES_FILE]) rmSync(join(folder, name), { force: true })
  process.exit(code)
}
process.on('SIGINT', () => void end(130))
process.on('SIGTERM', () => void end(143))
process.on('SIGHUP', () => void end(129))
// Whoever kills npm means Berth, and may start the next one at once.
const npm = npmAbove()
if (npm !== undefined) setInterval(() => isAlive(npm) || void end(1, false), NPM_CHECK_MS).unref()
wrangler.once('exit', () => {
  if (!ending) console.error('wrangler ended by itself; Berth is down.')
  void end(1)
})

const url = `http://127.0.0.1:${port}`
await until('Berth is ready', READY_LIMIT_MS, async () =>
  ending || (await answers200(`${url}/readyz`)) ? true : undefined,
).catch(async () => {
  console.error(
    `Berth did not become ready within ${READY_LIMIT_MS / 1000} s; ${url}/readyz tells which part.`,
  )
  await end(1)
})
if (!ending) console.log(greeting(url, folder))
