import type { Reservation } from '../types.ts'
import { isInZone, type NoName, ownerName, ownerOf, reverseNameOf, zoneKind } from './names.ts'

/** One resource record. Names are host names without a dot at the end, so safe to write anywhere. */
export interface DnsRecord {
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'PTR'
  readonly value: string
  /** The owner's namespace. */
  readonly namespace: string
}

/** A reservation that has no record, by its id, which is ours and so safe to write. */
export interface LeftOut {
  readonly id: string
  readonly why: NoName
}

export interface Records {
  readonly records: readonly DnsRecord[]
  readonly leftOut: readonly LeftOut[]
}

interface Claim {
  readonly id: string
  readonly owner: string
  readonly record: DnsRecord
}

/**
 * Collects the records of a zone, one reservation at a time. A name that two owners could have goes to neither, and so
 * does the reverse name of an address that two owners have (in VPCs that overlap).
 * @param domain where owners' names are: the zone itself, or for a reverse zone the domain its PTRs point into
 */
export class RecordCollector {
  private readonly zone: string
  private readonly domain: string
  private readonly isReverse: boolean
  private readonly claims = new Map<string, Claim[]>()
  private readonly leftOut: LeftOut[] = []
  private count = 0

  constructor(zone: string, domain: string) {
    this.zone = zone
    this.domain = domain
    this.isReverse = zoneKind(zone) === 'reverse'
  }

  /** Records so far. */
  get size(): number {
    return this.count
  }

  add(reservation: Reservation): void {
    const addresses = this.addressesOf(reservation)
    if (addresses.length === 0) return
    const name = ownerName(reservation, this.domain)
    if (typeof name !== 'string') {
      this.leftOut.push({ id: reservation.id, why: name.without })
      return
    }
    const { namespace } = reservation.owner
    const owner = ownerOf(reservation)
    for (const { type, text, reverse } of addresses) {
      const record: DnsRecord = this.isReverse
        ? { name: reverse, type: 'PTR', value: name, namespace }
        : { name, type, value: text, namespace }
      const others = this.claims.get(record.name)
      if (others) others.push({ id: reservation.id, owner, record })
      else this.claims.set(record.name, [{ id: reservation.id, owner, record }])
      this.count++
    }
  }

  /** In order of name, type and value, so that equal contents are equal texts. */
  result(): Records {
    const records: DnsRecord[] = []
    const leftOut = [...this.leftOut]
    for (const claims of this.claims.values()) {
      if (claims.every(({ owner }) => owner === claims[0]?.owner))
        records.push(...claims.map(({ record }) => record))
      else for (const id of new Set(claims.map((claim) => claim.id))) leftOut.push({ id, why: 'shared' })
    }
    return {
      records: records.sort((a, b) => order(keyOf(a), keyOf(b))),
      leftOut: leftOut.sort((a, b) => order(a.id, b.id)),
    }
  }

  private addressesOf({ v4IpAddress, v6IpAddress }: Reservation) {
    const pairs = [
      ['A', v4IpAddress],
      ['AAAA', v6IpAddress],
    ] as const
    return pairs.flatMap(([type, text]) => {
      const reverse = reverseNameOf(text)
      if (reverse === undefined || (this.isReverse && !isInZone(reverse, this.zone))) return []
      return [{ type, text, reverse }]
    })
  }
}

const keyOf = ({ name, type, value }: DnsRecord) => `${name} ${type} ${value}`

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
