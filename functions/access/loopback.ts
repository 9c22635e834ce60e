const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const PORT = '(?:[0-5]?\\d{1,4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])'
const LOOPBACK = `(?:localhost|127(?:\\.${OCTET}){3}|\\[::1\\])(?::${PORT})?`
const HOST = new RegExp(`^${LOOPBACK}$`, 'i')
const ORIGIN = new RegExp(`^https?://${LOOPBACK}$`, 'i')
const REQUEST = new RegExp(`^https?://${LOOPBACK}(?:[/?]|$)`, 'i')

/** `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port. Nothing else that might resolve to them. */
export function isLoopbackHost(host: string): boolean {
  return HOST.test(host)
}

/** An Origin header of a page served from loopback; `null` is nobody's. */
export function isLoopbackOrigin(origin: string): boolean {
  return ORIGIN.test(origin)
}

/** A request's URL at a loopback host. What passes is a URL, whatever else stands in it: no parser need look at it. */
export function isLoopbackUrl(url: string): boolean {
  return REQUEST.test(url)
}
