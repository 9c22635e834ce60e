import { formatAddress } from './address.ts'
import { assemble, familyConfig, parseCidrBlock, parseRanges } from './config.ts'
import { decodeData, decodeHead, encodePage, PAGE_LAYOUT, PageError } from './page.ts'
import type { RangeSet } from './range.ts'
import type { FamilyConfig, SubnetConfig } from './types.ts'

/** The page that says what the others mean: configuration and pools they were written for. */
export const LAYOUT_KEY = 'layout'

/** Members of the named pools, both families. */
export type PoolMembers = ReadonlyMap<
  string,
  { readonly v4: RangeSet<number>; readonly v6: RangeSet<bigint> }
>

interface LayoutText {
  readonly cidrs: string
  readonly gateways: readonly (string | null)[]
  readonly excludes: readonly string[]
  readonly pools: Readonly<Record<string, readonly string[]>>
  readonly gatewayMac: string
}

const texts = <N extends number | bigint>(family: 4 | 6, set: RangeSet<N>): string[] =>
  set.ranges.map(({ from, to }) => `${formatAddress(family, from)}..${formatAddress(family, to)}`)

const families = (config: SubnetConfig): FamilyConfig[] =>
  [config.v4, config.v6].filter((family) => family !== undefined) as FamilyConfig[]

/** Encodes configuration, pools and the recorded gateway MAC. */
export function encodeLayout(config: SubnetConfig, pools: PoolMembers, gatewayMac: string): Uint8Array {
  const text: LayoutText = {
    cidrs: config.cidrBlock,
    gateways: families(config).map(({ family, gateway }) =>
      gateway === undefined ? null : formatAddress(family, gateway),
    ),
    excludes: families(config).flatMap(({ family, excludes }) => texts(family, excludes)),
    pools: Object.fromEntries(
      [...pools].map(([name, { v4, v6 }]) => [name, [...texts(4, v4), ...texts(6, v6)]]),
    ),
    gatewayMac,
  }
  return encodePage(PAGE_LAYOUT, 0, 0, new TextEncoder().encode(JSON.stringify(text)))
}

/** The inverse. @throws PageError */
export function decodeLayout(bytes: Uint8Array | undefined): {
  readonly config: SubnetConfig
  readonly pools: PoolMembers
  readonly gatewayMac: string
} {
  const head = decodeHead(LAYOUT_KEY, bytes ?? new Uint8Array(), PAGE_LAYOUT, 0)
  const text = JSON.parse(new TextDecoder().decode(decodeData(LAYOUT_KEY, bytes, head))) as LayoutText
  const pools = new Map<string, { v4: RangeSet<number>; v6: RangeSet<bigint> }>()
  for (const [name, ips] of Object.entries(text.pools)) pools.set(name, read(parseRanges(ips)))
  const { gatewayMac } = text
  if (text.cidrs === '') return { config: assembleNone(), pools, gatewayMac }
  const configs = read(parseCidrBlock(text.cidrs)).map((cidr, i) => {
    const gateway = text.gateways[i]
    const value = gateway == null ? undefined : read(parseRanges([gateway]))
    const address = cidr.family === 4 ? value?.v4.ranges[0]?.from : value?.v6.ranges[0]?.from
    return familyConfig(cidr, address, text.excludes, false)
  })
  return { config: assemble(configs), pools, gatewayMac }
}

const assembleNone = (): SubnetConfig => ({ protocol: 'Mac', cidrBlock: '', gateway: '', excludeIps: [] })

function read<T>(result: { ok: true; value: T } | { ok: false; error: { detail: string } }): T {
  if (!result.ok) throw new PageError(`page ${LAYOUT_KEY}: ${result.error.detail}`)
  return result.value
}
