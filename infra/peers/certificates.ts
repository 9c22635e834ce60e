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

const DAYS = '30'
const SUBJECT_ALTERNATIVES = 'IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc'

/** Makes an authority and a loopback server certificate (with SANs: TLS refuses bare CNs), once per folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string) => join(folder, name)
  const made = {
    ca: file('ca.crt'),
    certificate: file('server.crt'),
    key: file('server.key'),
    serviceAccountKey: file('service-account.key'),
  }
  if (existsSync(made.certificate)) return made
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    ['req', '-x509', ...newKey, '-days', DAYS, '-subj', '/CN=berth-peers-ca'],
    ['-keyout', file('ca.key'), '-out', made.ca],
  )
  const request = file('server.csr')
  await openssl(['req', ...newKey, '-subj', '/CN=kube-apiserver'], ['-keyout', made.key, '-out', request])
  const extensions = file('server.ext')
  writeFileSync(extensions, `subjectAltName=${SUBJECT_ALTERNATIVES}\nextendedKeyUsage=serverAuth\n`)
  await openssl(['genrsa', '-out', made.serviceAccountKey, '2048'])
  await openssl(
    ['x509', '-req', '-in', request, '-days', DAYS, '-extfile', extensions],
    ['-CA', made.ca, '-CAkey', file('ca.key'), '-CAcreateserial', '-out', made.certificate],
  )
  return made
}

function openssl(...args: readonly (readonly string[])[]): Promise<string> {
  return run('openssl', args.flat(), { limitMs: 30_000 })
}
