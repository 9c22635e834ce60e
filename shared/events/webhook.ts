/**
 * Standard Webhooks [github.com/standard-webhooks/standard-webhooks, spec v1]: HMAC-SHA-256 over
 * `<id>.<seconds>.<body>`, base64, with the bytes of a secret written as `whsec_<base64>`.
 */
export async function webhookHeaders(
  secret: string,
  id: string,
  wallMs: number,
  body: string,
): Promise<Record<string, string>> {
  const seconds = String(Math.floor(wallMs / 1000))
  const signature = await sign(secretBytes(secret), `${id}.${seconds}.${body}`)
  return {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${btoa(String.fromCharCode(...signature))}`,
  }
}

const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/

/** 24 to 64 bytes, as the specification wants. */
export function isWebhookSecret(text: string): boolean {
  const encoded = SECRET.exec(text)?.[1]
  if (encoded === undefined || encoded.length % 4 !== 0) return false
  const { length } = atob(encoded)
  return length >= 24 && length <= 64
}

export function secretBytes(secret: string): Uint8Array {
  const encoded = SECRET.exec(secret)?.[1] ?? ''
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
}

export async function sign(secret: Uint8Array, text: string): Promise<Uint8Array> {
  const bytes = secret as Uint8Array<ArrayBuffer>
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text)))
}
