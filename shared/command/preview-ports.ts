import { LATE, within } from '../clock.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { LeaseView } from '../ledger/port.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { type PortCall, portEvidence, portRequests } from './port-evidence.ts'
import type { CommandPorts } from './ports.ts'
import type { ReserveItem } from './types.ts'

const SILENT = 'OVN does not say whether the address is vacant'

/** How long a preview waits for OVN. */
const LOOK_MS = 2_000

/**
 * The port that carries an address of this lease; undefined where none does, and where ports are not looked at.
 * @returns `unavailable` where OVN does not say, `port_exists` where the name is not vacant any more
 */
export async function carrierOf(
  { ovn, clock, settings }: CommandPorts,
  lease: LeaseView,
): Promise<Result<string | undefined, Problem>> {
  if (!settings.ovn || !isOvnProvider(lease.provider)) return ok(undefined)
  const call: PortCall = { item: 0, verb: 'vacancy' }
  const said = await within(clock, LOOK_MS, ovn.send(portRequests(call, lease)))
  const evidence = said === LATE ? undefined : portEvidence(call, said)
  if (evidence?.result === 'absent') return ok(undefined)
  if (evidence?.result === 'held') return ok(evidence.by)
  return evidence?.result === 'port' || evidence?.result === 'spared'
    ? err(problem('port_exists', `logical switch port ${lease.name} was made meanwhile`))
    : err(problem('unavailable', SILENT, { retryAfterMs: 1_000 }))
}

/**
 * What a reserve would be refused for because of ports (ledger/vacancy.ts), without holding anything: a port has the
 * name, or carries an address that was asked for. In the place of one that Berth chose a reserve takes another, so that
 * is no finding.
 * @param leases as the ledger would give them; those with an object of their own are not looked at
 */
export async function previewPorts(
  { ovn, clock, settings }: CommandPorts,
  leases: readonly LeaseView[],
  items: readonly ReserveItem[],
): Promise<readonly Finding[]> {
  if (!settings.ovn) return []
  const fresh = leases.flatMap((lease, item) =>
    lease.uid === undefined && isOvnProvider(lease.provider) ? [{ lease, item }] : [],
  )
  if (fresh.length === 0) return []
  const looks = fresh.map(({ lease, item }) => {
    const call: PortCall = { item, verb: 'vacancy' }
    return { lease, item, call, requests: portRequests(call, lease) }
  })
  const said = await within(clock, LOOK_MS, ovn.send(looks.flatMap(({ requests }) => requests)))
  let from = 0
  return looks.flatMap(({ lease, item, call, requests }): Finding[] => {
    const answers = said === LATE ? [] : said.slice(from, from + requests.length)
    from += requests.length
    const evidence = answers.length === 0 ? undefined : portEvidence(call, answers)
    const about = leases.length > 1 ? { item } : {}
    switch (evidence?.result) {
      case 'absent':
        return []
      case 'port': {
        const message = `logical switch port ${lease.name} is there without an IP object`
        return [{ code: 'port_exists', field: 'name', message, ...about }]
      }
      case 'spared':
        return [{ code: 'port_exists', field: 'name', message: evidence.why, ...about }]
      case 'held': {
        const { v4IpAddress, v6IpAddress } = items[item] ?? {}
        const field = v4IpAddress === undefined ? 'v6IpAddress' : 'v4IpAddress'
        if (v4IpAddress === undefined && v6IpAddress === undefined) return []
        const message = `logical switch port ${evidence.by} carries the address`
        return [{ code: 'address_taken', field, message, ...about }]
      }
      default: {
        return [{ code: 'unavailable', message: SILENT, ...about }]
      }
    }
  })
}
