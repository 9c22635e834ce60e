import type { DoorMiddleware } from '../door.ts'

/**
 * Headers that keep a browser from making more of a reply than it is. A page that needs more sets its own
 * Content-Security-Policy, and an asset its own Cache-Control.
 */
export function securityHeaders(): DoorMiddleware {
  return async function securityHeaders(c, next) {
    await next()
    const { headers } = c.res
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    if (!headers.has('Content-Security-Policy'))
      headers.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  }
}
