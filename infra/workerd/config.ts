import { extname, join, relative } from 'node:path'
import type { Bundle } from './bundle.ts'

/**
 * Where a binding's value comes from. `environment` is read by workerd when it starts, so one built configuration
 * serves many installations; an unset one arrives as null.
 */
export type VariableSource = { readonly text: string } | { readonly environment: string }

export interface ConfigOptions {
  readonly bundle: Bundle
  /** Folder the configuration will lie in; files are embedded by paths relative to it. */
  readonly configFolder: string
  /** host:port. */
  readonly listen: string
  /** Folder for the Durable Objects' databases, absolute or relative to where workerd is started. */
  readonly dataFolder: string
  /** Folder of the static files, when the Worker has any. */
  readonly assetsFolder: string
  readonly variables: Readonly<Record<string, VariableSource>>
  /**
   * A ServiceAccount as it is mounted in a Pod: a folder with `ca.crt`, trusted from the start of workerd on, and
   * `token`, read whenever a new one is needed. Absolute, or relative to where workerd is started.
   */
  readonly accountFolder?: string | undefined
  /** Files of further authorities that API servers are certified by, one in each: those of CLUSTERS. Read when workerd starts. */
  readonly trust?: readonly string[] | undefined
  /**
   * For ssl: remotes of OVN_NB: a folder with `ca.crt`, which certifies the servers, and `tls.crt` and `tls.key`, the
   * certificate that Berth shows. Read when workerd starts.
   */
  readonly ovnFolder?: string | undefined
  /** Serves Berth over TLS as well. */
  readonly tls?: TlsOptions | undefined
}

/** Files are read when workerd starts: it has to be started again for new ones. */
export interface TlsOptions {
  /** Folder with `tls.crt` and `tls.key`, named as in a Kubernetes Secret. */
  readonly folder: string
  /** host:port. */
  readonly listen: string
  /**
   * A socket for the API server alone: only the admission door is behind it, and only connections with a certificate of
   * this authority get in. workerd tells a Worker nothing about a client's certificate, so the socket itself is the
   * proof, and the authority must sign nobody else.
   */
  readonly apiServer?: { readonly caFile: string; readonly listen: string } | undefined
}

/**
 * Objects are kept under `<name>-<class>`, the same key and file layout as `wrangler dev` uses in <DATA>/v3/do, so data
 * can move from one to the other. Changing the name loses every reservation.
 */
const OBJECT_KEY_PREFIX = 'berth'

/** Export of functions/index.ts that believes whoever comes by it. */
const API_SERVER_ENTRYPOINT = 'apiServer'

/** A configuration for `workerd serve`, in Cap'n Proto text. Field names: workerd/workerd.capnp. */
export function workerdConfig(options: ConfigOptions): string {
  const { bundle, configFolder, variables, accountFolder, ovnFolder } = options
  const { settings } = bundle
  const authorities = [...(accountFolder ? [join(accountFolder, 'ca.crt')] : []), ...(options.trust ?? [])]
  const modules = bundle.modules.map(
    (name) =>
      `(name = ${text(name)}, ${moduleKind(name)} = ${embed(configFolder, join(bundle.folder, name))})`,
  )
  const bindings = [
    ...settings.objects.map((name) => `(name = ${text(name)}, durableObjectNamespace = ${text(name)})`),
    ...Object.entries(variables).map(([name, from]) =>
      'text' in from
        ? `(name = ${text(name)}, text = ${text(from.text)})`
        : `(name = ${text(name)}, fromEnvironment = ${text(from.environment)})`,
    ),
    '(name = "PUBLIC", service = "public")',
    ...(accountFolder ? ['(name = "KUBE_ACCOUNT", service = "kube-account")'] : []),
    ...(ovnFolder ? ['(name = "OVN", service = "ovn")'] : []),
    ...(settings.assets?.binding ? [`(name = ${text(settings.assets.binding)}, service = "assets")`] : []),
  ]
  const objects = settings.objects.map(
    (name) =>
      `(className = ${text(name)}, uniqueKey = ${text(`${OBJECT_KEY_PREFIX}-${name}`)}, enableSql = true)`,
  )
  const filesFirst = settings.assets !== undefined && !settings.assets.workerFirst
  const services = [
    '(name = "berth", worker = .berth)',
    `(name = "store", disk = (path = ${text(options.dataFolder)}, writable = true))`,
    // The cluster's API server has a private address, and mostly an authority of its own.
    `(name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true${
      authorities.length > 0
        ? `, trustedCertificates = [${authorities.map((file) => embed(configFolder, file)).join(', ')}]`
        : ''
    })))`,
    // For targets that others choose: a name that leads to a private address leads nowhere here.
    '(name = "public", network = (allow = ["public"], tlsOptions = (trustBrowserCas = true)))',
    ...(ovnFolder ? [ovnNetwork(configFolder, ovnFolder)] : []),
    ...(accountFolder ? [`(name = "kube-account", disk = (path = ${text(accountFolder)}))`] : []),
    ...(settings.assets
      ? [
          '(name = "assets", worker = .assets)',
          ...(filesFirst ? ['(name = "files-first", worker = .filesFirst)'] : []),
          `(name = "asset-files", disk = (path = ${text(options.assetsFolder)}))`,
        ]
      : []),
  ]
  const door = filesFirst ? 'files-first' : 'berth'
  const sockets = [
    `(name = "http", address = ${text(options.listen)}, http = (), service = ${text(door)})`,
    ...(options.tls ? tlsSockets(options.tls, configFolder, door) : []),
  ]
  return `# Written by infra/workerd; changes here are lost.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [${list(services)}],
  sockets = [${list(sockets)}],
);

const berth :Workerd.Worker = (
  compatibilityDate = ${text(settings.compatibilityDate)},
  compatibilityFlags = [${settings.compatibilityFlags.map(text).join(', ')}],
  modules = [${list(modules)}],
  bindings = [${list(bindings)}],
  durableObjectNamespaces = [${list(objects)}],
  durableObjectStorage = (localDisk = "store"),
);
${settings.assets ? assetsWorker('assets', settings.compatibilityDate, []) : ''}${
  filesFirst
    ? assetsWorker('filesFirst', settings.compatibilityDate, ['(name = "BERTH", service = "berth")'])
    : ''
}`
}

/** OVN asks its clients for certificates, and has an authority of its own. */
function ovnNetwork(configFolder: string, folder: string): string {
  const trusted = `trustedCertificates = [${embed(configFolder, join(folder, 'ca.crt'))}]`
  const options = `${trusted}, ${keypairOf(configFolder, folder)}`
  return `(name = "ovn", network = (allow = ["public", "private"], tlsOptions = (${options})))`
}

function keypairOf(configFolder: string, folder: string): string {
  const [key, chain] = ['tls.key', 'tls.crt'].map((name) => embed(configFolder, join(folder, name)))
  return `keypair = (privateKey = ${key}, certificateChain = ${chain})`
}

function tlsSockets(tls: TlsOptions, configFolder: string, door: string): string[] {
  const keypair = keypairOf(configFolder, tls.folder)
  const socket = (name: string, listen: string, options: string, service: string) =>
    `(name = ${text(name)}, address = ${text(listen)}, https = (tlsOptions = (${options})), service = ${service})`
  const { apiServer } = tls
  return [
    socket('https', tls.listen, keypair, text(door)),
    ...(apiServer
      ? [
          socket(
            'api-server',
            apiServer.listen,
            `${keypair}, requireClientCerts = true, trustedCertificates = [${embed(configFolder, apiServer.caFile)}]`,
            `(name = "berth", entrypoint = ${text(API_SERVER_ENTRYPOINT)})`,
          ),
        ]
      : []),
  ]
}

/** assets-worker.js: gives files their content type; with a BERTH it hands everything else on, without one it says 404. */
function assetsWorker(name: string, compatibilityDate: string, further: readonly string[]): string {
  return `
const ${name} :Workerd.Worker = (
  compatibilityDate = ${text(compatibilityDate)},
  modules = [(name = "assets-worker.js", esModule = embed "assets-worker.js")],
  bindings = [${list(['(name = "FILES", service = "asset-files")', ...further])}],
);
`
}

const list = (items: readonly string[]) => items.map((item) => `\n    ${item},`).join('')

const embed = (from: string, path: string) => `embed ${text(relative(from, path))}`

function moduleKind(name: string): string {
  switch (extname(name)) {
    case '.js':
    case '.mjs':
      return 'esModule'
    case '.wasm':
      return 'wasm'
    case '.txt':
    case '.html':
    case '.css':
    case '.svg':
      return 'text'
    default:
      return 'data'
  }
}

/** A Cap'n Proto string literal: as C's, with \\xNN for what cannot be seen. */
function text(value: string): string {
  const escaped = value.replace(/["\\]/g, '\\$&').replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    /[\x00-\x1f\x7f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${escaped}"`
}
