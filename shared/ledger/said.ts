import { formatAddress, parseAddress } from '../ipam/address.ts'
import { parseMac } from '../ipam/mac.ts'

/** What an IP object says it has, as far as it can be read; null and '' where it says nothing legible. */
export interface Said {
  readonly v4: number | null
  readonly v6: bigint | null
  readonly mac: string
}

interface Texts {
  readonly v4IpAddress: string
  readonly v6IpAddress: string
  readonly ipAddress: string
  readonly macAddress: string
}

/** `ipAddress` counts where the two others are empty: the controller itself believes it first (semantics.md D3). */
export function saidBy({ v4IpAddress, v6IpAddress, ipAddress, macAddress }: Texts): Said {
  const texts = v4IpAddress || v6IpAddress ? [v4IpAddress, v6IpAddress] : ipAddress.split(',')
  let v4: number | null = null
  let v6: bigint | null = null
  for (const text of texts) {
    const address = parseAddress(text.trim())
    if (!address.ok) continue
    if (address.value.family === 4) v4 ??= address.value.value
    else v6 ??= address.value.value
  }
  const mac = parseMac(macAddress)
  return { v4, v6, mac: mac.ok ? mac.value : '' }
}

/** What a reservation has, "" where the family is absent. */
interface Has {
  readonly v4: string
  readonly v6: string
  readonly mac: string
}

/** Whether an object says nothing else than the reservation has; what either leaves open is no contradiction. */
export function agrees(texts: Texts, has: Has): boolean {
  const { v4, v6, mac } = canonical(saidBy(texts))
  const same = (said: string, is: string) => said === '' || is === '' || said === is
  return same(v4, has.v4) && same(v6, has.v6) && same(mac, has.mac)
}

/** Whether an object says an address that the reservation has. */
export function holds(texts: Texts, has: Has): boolean {
  const { v4, v6 } = canonical(saidBy(texts))
  return (v4 !== '' && v4 === has.v4) || (v6 !== '' && v6 === has.v6)
}

function canonical({ v4, v6, mac }: Said): Has {
  return { v4: v4 === null ? '' : formatAddress(4, v4), v6: v6 === null ? '' : formatAddress(6, v6), mac }
}
