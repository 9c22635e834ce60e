/**
 * `npm run build:workerd`: everything workerd needs to run Berth without Node, in dist/workerd:
 *
 *   workerd serve dist/workerd/berth.capnp --directory-path store=<folder> --socket-addr http=<address>
 *
 * Berth's variables are read from the environment when workerd starts. LISTEN (127.0.0.1:8787) and DATA (.berth/workerd)
 * are taken here and are the defaults of those two options. The paths count from where workerd is started.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { WORKER_VARIABLES } from '../variables.ts'
import { bundleWorker, projectRoot } from './bundle.ts'
import { writeConfig } from './write.ts'

const built = await bundleWorker({ minify: true })
const folder = join(projectRoot, 'dist/workerd')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const name of built.modules) cpSync(join(built.folder, name), join(folder, name))

const assetsFolder = join(folder, 'assets')
const assets = built.settings.assets
if (assets && existsSync(join(projectRoot, assets.directory))) {
  cpSync(join(projectRoot, assets.directory), assetsFolder, { recursive: true })
}

const dataFolder = process.env.DATA || '.berth/workerd'
const config = writeConfig({
  bundle: { ...built, folder },
  configFolder: folder,
  listen: process.env.LISTEN || '127.0.0.1:8787',
  dataFolder,
  assetsFolder: relative(projectRoot, assetsFolder),
  variables: Object.fromEntries(WORKER_VARIABLES.map((name) => [name, { environment: name }])),
})
console.log(`${relative(process.cwd(), config)} is ready for workerd serve`)
