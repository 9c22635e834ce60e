import type { LeftOut } from './records.ts'
import type { Zone } from './zone.ts'

/** Seconds: how secondaries ask, ask again, give up [RFC 1912 section 2.2]. */
const REFRESH = 3_600
const RETRY = 600
const EXPIRE = 604_800
/** Reservations named in comments. */
const NAMED_LIMIT = 20

const WHY: Readonly<Record<LeftOut['why'], string>> = {
  label: 'its owner is no DNS name',
  length: 'its name would be longer than DNS allows',
  shared: 'another owner has a claim to the name',
}

/** A whole zone as a master file [RFC 1035 section 5]. Every name is absolute. */
export function masterFile({ zone, server, ttlSeconds, serial, records, leftOut }: Zone): string {
  const timers = `${serial} ${REFRESH} ${RETRY} ${EXPIRE} ${ttlSeconds}`
  const lines = [
    `$ORIGIN ${zone}.`,
    `$TTL ${ttlSeconds}`,
    `@ IN SOA ${server}. hostmaster.${zone}. ${timers}`,
    `@ IN NS ${server}.`,
    ...records.map(({ name, type, value }) => `${name}. IN ${type} ${value}${type === 'PTR' ? '.' : ''}`),
    ...leftOut.slice(0, NAMED_LIMIT).map(({ id, why }) => `; no record for ${commented(id)}: ${WHY[why]}`),
    ...(leftOut.length > NAMED_LIMIT ? [`; and ${leftOut.length - NAMED_LIMIT} more without a record`] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** Ids are ours; should one ever not be, it still ends no line. */
function commented(id: string): string {
  return id.replaceAll(/[^\w-]/g, '?')
}
