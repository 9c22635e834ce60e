import { LATE, within } from '../clock.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { Carried, LeaseView } from '../ledger/port.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { inWords } from '../spaces/port.ts'
import { type PortCall, portEvidence, portRequests } from './port-evidence.ts'
import type { CommandPorts } from './ports.ts'
import { holdingOf, takeVacant } from './spaces.ts'
import type { ReserveItem } from './types.ts'

const SILENT = 'OVN does not say whether the address is vacant'
const SPACE_SILENT = 'the shared space does not say whether another cluster has the address'

/** How long a preview waits for OVN. */
const LOOK_MS = 2_000

/** Who has what was chosen: a logical switch port, or a name in another cluster of a shared space. */
export type Carrier = Omit<Carried, 'name' | 'operation'>

/**
 * Who has an address of a hold made at admission, which is taken from the shared space by this; undefined where nobody
 * has, and where nobody is asked.
 * @returns `unavailable` where OVN or the space does not say, `port_exists` where the name is not vacant any more
 */
export async function carrierOf(
  ports: CommandPorts,
  lease: LeaseView,
): Promise<Result<Carrier | undefined, Problem>> {
  const call = { item: 0, verb: 'vacancy' } as const
  const taken = await within(ports.clock, LOOK_MS, takeVacant(ports.spaces, [{ call, lease }]))
  const met = taken === LATE ? LATE : taken.get(call)
  if (met === LATE || (met && met.result !== 'held'))
    return err(problem('unavailable', SPACE_SILENT, { retryAfterMs: 1_000 }))
  if (!met) return portOf(ports, lease)
  const { item: _item, result: _held, by, ...rest } = met
  return ok({ port: by, ...rest })
}

async function portOf(
  { ovn, clock, settings }: CommandPorts,
  lease: LeaseView,
): Promise<Result<Carrier | undefined, Problem>> {
  if (!settings.ovn || !isOvnProvider(lease.provider)) return ok(undefined)
  const call: PortCall = { item: 0, verb: 'vacancy' }
  const said = await within(clock, LOOK_MS, ovn.send(portRequests(call, lease)))
  const evidence = said === LATE ? undefined : portEvidence(call, said)
  if (evidence?.result === 'absent') return ok(undefined)
  if (evidence?.result === 'held') return ok({ port: evidence.by })
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
  ports: CommandPorts,
  leases: readonly LeaseView[],
  items: readonly ReserveItem[],
): Promise<readonly Finding[]> {
  const [away, carried] = await Promise.all([
    previewSpaces(ports, leases, items),
    previewCarriers(ports, leases, items),
  ])
  return [...away, ...carried]
}

/** What was asked for and another cluster of the shared space has. */
async function previewSpaces(
  { spaces, clock }: CommandPorts,
  leases: readonly LeaseView[],
  items: readonly ReserveItem[],
): Promise<readonly Finding[]> {
  const fresh = leases.flatMap((lease, item) => (lease.uid === undefined ? [{ lease, item }] : []))
  const [first] = fresh
  const space = first && spaces?.(first.lease.subnet)
  if (!space) return []
  const looked = space.look(fresh.map(({ lease }) => holdingOf(lease))).catch((): undefined => undefined)
  const said = await within(clock, LOOK_MS, looked)
  if (said === LATE || said === undefined) return [{ code: 'unavailable', message: SPACE_SILENT }]
  return fresh.flatMap(({ item }, index): Finding[] => {
    const answer = said[index]
    if (answer?.result !== 'held') return []
    const { v4IpAddress, v6IpAddress, macAddress } = items[item] ?? {}
    const about = leases.length > 1 ? { item } : {}
    const message = `${inWords(answer.by)} has ${answer.by.value}`
    if (answer.by.what === 'mac')
      return macAddress === undefined ? [] : [{ code: 'mac_taken', field: 'macAddress', message, ...about }]
    if (v4IpAddress === undefined && v6IpAddress === undefined) return []
    const field = v4IpAddress === answer.by.value || v6IpAddress === undefined ? 'v4IpAddress' : 'v6IpAddress'
    return [{ code: 'address_taken', field, message, ...about }]
  })
}

async function previewCarriers(
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
