import { type Problem, problem } from '../../problem.ts'
import { err, ok, type Result } from '../../result.ts'
import { reservations } from '../find.ts'
import type { CommandPorts } from '../ports.ts'
import { isHostName, ZONE_LIMIT, zoneKind } from './names.ts'
import { type DnsRecord, type LeftOut, RecordCollector } from './records.ts'

/** Rows of one read of a ledger. */
const ROWS_PER_PAGE = 1_000
/** What one reply may hold; a larger zone is asked for by Subnet or namespace. */
export const RECORD_LIMIT = 100_000

export interface ZoneQuery {
  /** In lower case, without the last dot. */
  readonly zone: string
  /** Of a reverse zone: the domain that its PTRs point into. */
  readonly domain?: string
  readonly subnet?: string
  readonly namespace?: string
  /** Of every record, in seconds. */
  readonly ttlSeconds: number
  /** Host name of the primary server, for SOA and NS. */
  readonly server: string
}

/** The names of bound reservations in one zone. */
export interface Zone extends ZoneQuery {
  /** Grows when and only when the records or the query's numbers and names changed. */
  readonly serial: number
  readonly records: readonly DnsRecord[]
  readonly leftOut: readonly LeftOut[]
}

export interface SerialPort {
  /** The serial of the zone `key` with the content `digest`: as before if that is as before, else a greater one. */
  serial(key: string, digest: string): Promise<Result<number, Problem>>
}

/**
 * Reads the bound reservations page by page and makes their records.
 * @returns `invalid_name` or `invalid_field` of the query, `too_large` beyond RECORD_LIMIT, and what a listing refuses
 */
export async function zone(
  ports: CommandPorts & { readonly serials: SerialPort },
  query: ZoneQuery,
): Promise<Result<Zone, Problem>> {
  const domain = domainOf(query)
  if (!domain.ok) return domain
  const { subnet, namespace } = query
  const filter = {
    state: 'bound' as const,
    ...(subnet === undefined ? {} : { subnet }),
    ...(namespace === undefined ? {} : { namespace }),
  }
  const collector = new RecordCollector(query.zone, domain.value)
  for (let token: string | undefined, isLast = false; !isLast; ) {
    const page = await reservations(ports, filter, {
      limit: ROWS_PER_PAGE,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) return page
    for (const reservation of page.value.items) collector.add(reservation)
    if (collector.size > RECORD_LIMIT) return err(tooMany)
    token = page.value.continue
    isLast = token === undefined
  }
  const { records, leftOut } = collector.result()
  const key = JSON.stringify([
    query.zone,
    domain.value,
    subnet ?? '',
    namespace ?? '',
    query.ttlSeconds,
    query.server,
  ])
  const lines = records.map(({ name, type, value }) => `${name} ${type} ${value}`)
  const serial = await ports.serials.serial(key, await digestOf(lines.join('\n')))
  return serial.ok ? ok({ ...query, serial: serial.value, records, leftOut }) : serial
}

const tooMany = problem(
  'too_large',
  `the zone has more than ${RECORD_LIMIT} records; ask for one Subnet or namespace`,
  { field: 'zone' },
)

function domainOf({ zone, domain, server }: ZoneQuery): Result<string, Problem> {
  const kind = zoneKind(zone)
  const bad = (field: string, detail: string) => err(problem('invalid_name', detail, { field }))
  if (!isHostName(zone, ZONE_LIMIT) || kind === 'malformed')
    return bad(
      'zone',
      `must be a domain of lower-case labels, up to ${ZONE_LIMIT} characters; in-addr.arpa by whole octets, ip6.arpa by nibbles`,
    )
  if (!isHostName(server)) return bad('server', 'must be a host name in lower case, without a dot at its end')
  if (kind === 'forward') {
    if (domain === undefined) return ok(zone)
    return err(problem('invalid_field', 'is of reverse zones only', { field: 'domain' }))
  }
  if (domain === undefined)
    return err(
      problem('invalid_field', 'is required: the domain that the names of this reverse zone are in', {
        field: 'domain',
      }),
    )
  if (isHostName(domain, ZONE_LIMIT) && zoneKind(domain) === 'forward') return ok(domain)
  return bad('domain', 'must be a domain of lower-case labels, and no reverse zone')
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
