import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

export interface Certificates {
  /** The authority's certificate, which clients trust. */
  readonly ca: string
  readonly certificate: string
  readonly key: string
  /** Signs service-account tokens; serves as public key too. */
  readonly serviceAccountKey: string
}

/** Files of a certificate and its key. */
export interface Pair {
  readonly certificate: string
  readonly key: string
}

const DAYS = '30'
const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const SERVER_NAMES = 'IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc'

/** Makes an authority and a loopback server certificate (with SANs: TLS refuses bare CNs), once per folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const serviceAccountKey = join(folder, 'service-account.key')
  if (!existsSync(serviceAccountKey)) await openssl(['genrsa', '-out', serviceAccountKey, '2048'])
  const authority = await makeAuthority(folder)
  const server = await certify(folder, authority, {
    name: 'server',
    commonName: 'kube-apiserver',
    usage: 'serverAuth',
    names: SERVER_NAMES,
  })
  return { ca: authority.certificate, ...server, serviceAccountKey }
}

/** An authority in `<folder>/ca.crt` and `ca.key`, made once. */
export async function makeAuthority(folder: string): Promise<Pair> {
  const made = pairIn(folder, 'ca')
  if (existsSync(made.certificate)) return made
  await openssl(
    ['req', '-x509', ...EC_KEY, '-days', DAYS, '-subj', '/CN=berth-peers-ca'],
    ['-keyout', made.key, '-out', made.certificate],
  )
  return made
}

/** A certificate of that authority in `<folder>/<name>.crt` and `.key`, made once. */
export async function certify(
  folder: string,
  authority: Pair,
  wanted: {
    readonly name: string
    readonly commonName: string
    readonly usage: 'serverAuth' | 'clientAuth'
    /** Subject alternative names, as openssl writes them. */
    readonly names?: string
  },
): Promise<Pair> {
  const made = pairIn(folder, wanted.name)
  if (existsSync(made.certificate)) return made
  const file = (kind: string) => join(folder, `${wanted.name}.${kind}`)
  await openssl(
    ['req', ...EC_KEY, '-subj', `/CN=${wanted.commonName}`],
    ['-keyout', made.key, '-out', file('csr')],
  )
  const names = wanted.names ? `subjectAltName=${wanted.names}\n` : ''
  writeFileSync(file('ext'), `${names}extendedKeyUsage=${wanted.usage}\n`)
  await openssl(
    ['x509', '-req', '-in', file('csr'), '-days', DAYS, '-extfile', file('ext'), '-CAcreateserial'],
    ['-CA', authority.certificate, '-CAkey', authority.key, '-out', made.certificate],
  )
  return made
}

function pairIn(folder: string, name: string): Pair {
  return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
}

function openssl(...args: readonly (readonly string[])[]): Promise<string> {
  return run('openssl', args.flat(), { limitMs: 30_000 })
}
