import ipaddr from 'ipaddr.js'

const PUBLIC_V6 = ipaddr.IPv6.parse('2000::')

/** What ends names that nobody outside resolves [RFC 6761, 6762, 7686, 8375, 9476], and what people use in their place. */
const INSIDE =
  /^(?:localhost|local|internal|intranet|private|lan|home|corp|svc|cluster|default|localdomain|arpa|test|invalid|onion|alt)$/
/** Top-level domains are letters, or begin with xn--. `berth.kube-system` is a Service, by a Pod's search list. */
const TOP_LEVEL = /^(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/

/**
 * Why an address is not one to send events to; undefined where it is. Names cannot be looked up from here, so those that
 * by their form lead inside are refused. What another name leads to is the network's to refuse (PUBLIC of
 * infra/workerd); redirects are never followed.
 */
export function targetComplaint(address: string, allowPrivate: boolean): string | undefined {
  if (!URL.canParse(address)) return 'is no URL'
  const { protocol, hostname, username, password } = new URL(address)
  if (username !== '' || password !== '') return 'must not carry a name or password'
  if (allowPrivate) return protocol === 'https:' || protocol === 'http:' ? undefined : 'must be http or https'
  if (protocol !== 'https:') return 'must be https'
  // URL parsing has put every way to write an IPv4 address (0177.1, 2130706433) into the usual one.
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (ipaddr.isValid(host)) {
    const ip = ipaddr.process(host)
    if (ip.range() !== 'unicast') return `leads to a ${ip.range()} address`
    // Of IPv6 only 2000::/3 is given out [IANA, IPv6 Global Unicast Address Assignments]; ::10.0.0.1 is outside of it.
    if (ip instanceof ipaddr.IPv6 && !ip.match(PUBLIC_V6, 3)) return 'leads to a reserved address'
    return undefined
  }
  const labels = host.split('.')
  const last = labels.at(-1) ?? ''
  if (labels.length < 2 || labels.includes('') || INSIDE.test(last) || !TOP_LEVEL.test(last))
    return 'leads inside'
  return undefined
}
