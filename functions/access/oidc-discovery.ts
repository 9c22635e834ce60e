import { z } from 'zod'
import type { Http } from '../../shared/http.ts'
import { isLoopbackHost } from './loopback.ts'

const document = z.object({ issuer: z.string(), jwks_uri: z.string() })
const DOCUMENT_LIMIT_BYTES = 64 * 1024

/** Where an issuer says its keys are [OpenID Connect Discovery 1.0 section 4]. Throws where it says nothing fit. */
export async function discoverKeys(http: Http, issuer: string, limitMs: number): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const reply = await http.fetch(
    new Request(url, { redirect: 'manual', signal: AbortSignal.timeout(limitMs) }),
  )
  if (reply.status !== 200) throw new Error(`discovery answered ${reply.status}`)
  const text = await reply.text()
  if (text.length > DOCUMENT_LIMIT_BYTES) throw new Error('the discovery document is too long')
  const found = document.parse(JSON.parse(text))
  if (found.issuer !== issuer) throw new Error('the discovery document is of another issuer')
  if (!isFetchable(found.jwks_uri)) throw new Error('the keys are not at an https address')
  return found.jwks_uri
}

/** https, or http on this machine. */
export function isFetchable(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, host, username, password } = new URL(address)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(host))
}
