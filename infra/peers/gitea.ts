import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { answers200, until } from '../dev/wait.ts'
import { locateGitea } from './gitea-build.ts'
import { OwnedProcess } from './owned-process.ts'
import { freePorts } from './ports.ts'
import { run } from './run.ts'

const READY_LIMIT_MS = 30_000
const COMMAND_LIMIT_MS = 30_000
const USER = 'berth'

/** A Gitea on loopback with one user, who may do everything. */
export interface RunningGitea {
  readonly url: string
  readonly user: string
  readonly token: string
  /** One call to its API; throws on anything but a 2xx. */
  // biome-ignore lint/suspicious/noExplicitAny: replies are looked into at many depths
  api(method: string, path: string, body?: unknown): Promise<any>
  /** Where git pushes a repository to, credentials and all. */
  remote(repository: string): string
  stop(): Promise<void>
  kill9(): Promise<void>
  /** Starts it again on the same port and data. */
  restart(): Promise<void>
}

/** Starts Gitea with an empty database; ready when it resolves. */
export async function startGitea(): Promise<RunningGitea> {
  const binaries = locateGitea()
  if (!binaries) throw new Error('There is no Gitea on this machine yet: run `npm run peers` first.')
  const folder = mkdtempSync(join(tmpdir(), 'berth-gitea-'))
  const [port = 0] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const config = join(folder, 'app.ini')
  mkdirSync(join(folder, 'data'))
  writeFileSync(config, settings(folder, binaries.files, port))
  // It refuses to run as root unless told; what it does here is its own folder's business.
  const env = { GITEA_WORK_DIR: folder, HOME: folder, GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT: 'true' }
  const command = (...args: string[]) =>
    run(binaries.gitea, [...args, '--config', config], { limitMs: COMMAND_LIMIT_MS, env })
  let server: OwnedProcess | undefined
  const start = async () => {
    server = new OwnedProcess(binaries.gitea, ['web', '--config', config], join(folder, 'log'), env)
    const running = server
    await until('Gitea is ready', READY_LIMIT_MS, async () => {
      if (!running.isRunning) throw new Error(`Gitea ended: ${running.log()}`)
      return (await answers200(`${url}/api/healthz`)) ? true : undefined
    })
  }
  const stop = async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await command('migrate')
    const made = ['--username', USER, '--email', 'berth@berth.example', '--random-password', '--admin']
    await command('admin', 'user', 'create', ...made, '--must-change-password=false')
    const asked = ['--username', USER, '--scopes', 'all', '--raw']
    // Its log goes the same way; the token is the last line.
    const told = await command('admin', 'user', 'generate-access-token', ...asked)
    const token = told.trim().split('\n').at(-1) ?? ''
    await start()
    return {
      url,
      user: USER,
      token,
      api: async (method, path, body) => {
        const reply = await fetch(`${url}/api/v1${path}`, {
          method,
          headers: { Authorization: `token ${token}`, 'Content-Type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        const text = await reply.text()
        if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${text}`)
        return text === '' ? undefined : JSON.parse(text)
      },
      remote: (repository) => `http://${USER}:${token}@127.0.0.1:${port}/${USER}/${repository}.git`,
      stop,
      kill9: async () => server?.kill9(),
      restart: start,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** docs.gitea.com/administration/config-cheat-sheet. The secrets are of no use to anybody: it is thrown away. */
function settings(folder: string, files: string, port: number): string {
  return `RUN_USER = ${userInfo().username}
WORK_PATH = ${folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${port}
ROOT_URL = http://127.0.0.1:${port}/
STATIC_ROOT_PATH = ${files}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = ${join(folder, 'data/gitea.db')}
[security]
INSTALL_LOCK = true
SECRET_KEY = of-no-use-to-anybody-of-no-use-to-anybody
[repository]
ROOT = ${join(folder, 'repositories')}
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 10
[oauth2]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
[cron]
ENABLED = false
[log]
MODE = console
LEVEL = Warn
`
}
