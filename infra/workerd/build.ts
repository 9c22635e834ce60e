/**
 * `npm run build:workerd`: everything workerd needs to run Berth without Node, in dist/workerd:
 *
 *   workerd serve dist/workerd/berth.capnp --directory-path store=<folder> --socket-addr http=<address>
 *
 * Berth's variables are read from the environment when workerd starts. LISTEN (127.0.0.1:8787) and DATA (.berth/workerd)
 * are taken here and are the defaults of those two options. KUBE_ACCOUNT is taken here too: the folder that will hold the
 * cluster's `ca.crt` and the `token`, in a Pod /var/run/secrets/kubernetes.io/serviceaccount. TLS is the folder that will
 * hold `tls.crt` and `tls.key`: then there is a socket `https` too (TLS_LISTEN, 127.0.0.1:8443). With API_SERVER_CA, the
 * file of an authority that certifies the API server and nobody else, there is a third, `api-server`, for admission with
 * client certificates (API_SERVER_LISTEN, 127.0.0.1:9443). OVN_TLS is the folder
 * with the `ca.crt`, `tls.crt` and `tls.key` for ssl: remotes of OVN_NB. TRUST names files, by commas, each with the
 * authority of another cluster's API server (CLUSTERS). The paths count from where workerd is started. OUT is another
 * folder than dist/workerd to write.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { WORKER_VARIABLES } from '../variables.ts'
import { bundleWorker, projectRoot } from './bundle.ts'
import { writeConfig } from './write.ts'

const built = await bundleWorker({ minify: true })
const folder = resolve(projectRoot, process.env.OUT || 'dist/workerd')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const name of built.modules) cpSync(join(built.folder, name), join(folder, name))

const assetsFolder = join(folder, 'assets')
const assets = built.settings.assets
if (assets && existsSync(join(projectRoot, assets.directory))) {
  cpSync(join(projectRoot, assets.directory), assetsFolder, { recursive: true })
}

const { TLS, API_SERVER_CA } = process.env
const tls = TLS
  ? {
      folder: TLS,
      listen: process.env.TLS_LISTEN || '127.0.0.1:8443',
      ...(API_SERVER_CA
        ? { apiServer: { caFile: API_SERVER_CA, listen: process.env.API_SERVER_LISTEN || '127.0.0.1:9443' } }
        : {}),
    }
  : undefined
if (API_SERVER_CA && !TLS) throw new Error('API_SERVER_CA needs TLS: client certificates are a part of it')

const dataFolder = process.env.DATA || '.berth/workerd'
const config = writeConfig({
  bundle: { ...built, folder },
  configFolder: folder,
  listen: process.env.LISTEN || '127.0.0.1:8787',
  dataFolder,
  assetsFolder: relative(projectRoot, assetsFolder),
  accountFolder: process.env.KUBE_ACCOUNT || undefined,
  ovnFolder: process.env.OVN_TLS || undefined,
  trust: process.env.TRUST ? process.env.TRUST.split(',') : undefined,
  tls,
  variables: Object.fromEntries(WORKER_VARIABLES.map((name) => [name, { environment: name }])),
})
console.log(`${relative(process.cwd(), config)} is ready for workerd serve`)
