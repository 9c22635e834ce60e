import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readSettings, type WorkerSettings } from './settings.ts'

export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** What the bundle may be made of; a change in any of it makes a new bundle. */
const SOURCES = [
  'functions',
  'shared',
  'page',
  'infra/workerd/zod.js',
  'infra/workerd/zod-parts.js',
  'wrangler.toml',
  'package-lock.json',
  'tsconfig.json',
]

export interface Bundle {
  /** Folder with index.js and the modules it imports. */
  readonly folder: string
  /** File names, the entry first. */
  readonly modules: readonly string[]
  readonly settings: WorkerSettings
}

/**
 * The Worker as wrangler would deploy it, in dist/worker/<hash of the sources>. Builds only when the sources changed;
 * several processes may ask at the same time.
 */
export async function bundleWorker(options: { readonly minify?: boolean } = {}): Promise<Bundle> {
  const minify = options.minify ?? false
  const folder = join(projectRoot, 'dist/worker', `${sourceHash()}${minify ? '-min' : ''}`)
  if (!existsSync(folder)) build(folder, minify)
  const settings: WorkerSettings = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8'))
  const modules = readdirSync(folder)
    .filter((name) => !['.map', '.md'].includes(extname(name)) && name !== 'settings.json')
    .sort((a, b) => Number(b === 'index.js') - Number(a === 'index.js') || a.localeCompare(b))
  return { folder, modules, settings }
}

function build(folder: string, minify: boolean): void {
  // wrangler refuses to bundle while the folder of static files is missing.
  execFileSync(process.execPath, [join(projectRoot, 'infra/dev/assets.ts')], { stdio: 'inherit' })
  const draft = `${folder}.${process.pid}`
  mkdirSync(draft, { recursive: true })
  const require = createRequire(import.meta.url)
  const wrangler = join(dirname(require.resolve('wrangler/package.json')), 'bin/wrangler.js')
  const flags = ['deploy', '--dry-run', '--outdir', draft, ...(minify ? ['--minify'] : [])]
  const run = spawnSync(process.execPath, [wrangler, ...flags], {
    cwd: projectRoot,
    encoding: 'utf8',
    env: {
      ...process.env,
      CI: '1',
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_WRITE_LOGS: 'false',
    },
  })
  if (run.status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    throw new Error(`bundling failed:\n${run.stdout}${run.stderr}`)
  }
  const settings = readSettings(readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'))
  writeFileSync(join(draft, 'settings.json'), JSON.stringify(settings, null, 2))
  try {
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}

function sourceHash(): string {
  const hash = createHash('sha256')
  const visit = (path: string) => {
    if (!existsSync(path)) return
    if (!statSync(path).isDirectory()) {
      hash.update(path.slice(projectRoot.length)).update('\0').update(readFileSync(path))
      return
    }
    for (const name of readdirSync(path).sort()) visit(join(path, name))
  }
  for (const source of SOURCES) visit(join(projectRoot, source))
  return hash.digest('hex').slice(0, 16)
}
