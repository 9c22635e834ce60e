import type { PlaneSource } from './bitmap.ts'
import { sameFamily } from './config.ts'
import type { SourceOf } from './layout.ts'
import { decodeLayout, LAYOUT_KEY, type PoolMembers } from './layout-page.ts'
import { PageError } from './page.ts'
import type { RangeSet } from './range.ts'
import type { Family, PageStore, SubnetConfig } from './types.ts'

/** What a store knows of a Subnet. */
export interface StoredSubnet {
  readonly pools: PoolMembers
  readonly gatewayMac: string
  source(family: Family): SourceOf
}

/** A page's key: family, plane, pool, and the page's index in the plane. */
export const pageKey = (family: Family, plane: string, index: string): string => `${family}.${plane}#${index}`

/**
 * Reads the manifest and the layout page; nothing if the store is empty.
 * @throws PageError if the pages were written for another configuration, or have no layout page
 */
export function openStore(config: SubnetConfig, store: PageStore): StoredSubnet | undefined {
  const heads = new Map<string, Map<string, Uint8Array>>()
  let known = false
  for (const { key, head } of store.heads()) {
    if (key === LAYOUT_KEY) known = true
    const at = key.lastIndexOf('#')
    const plane = key.slice(0, Math.max(at, 0))
    const group = heads.get(plane) ?? new Map<string, Uint8Array>()
    heads.set(plane, group.set(key.slice(at + 1), head))
  }
  if (!known) {
    if (heads.size > 0) throw new PageError('pages without a layout page')
    return undefined
  }
  const { config: written, pools, gatewayMac } = decodeLayout(store.load(LAYOUT_KEY))
  if (!sameFamily(written.v4, config.v4) || !sameFamily(written.v6, config.v6))
    throw new PageError(`pages were written for ${written.cidrBlock}, other gateway or excludes`)
  const source =
    (family: Family) =>
    (plane: string): PlaneSource => ({
      heads: heads.get(`${family}.${plane}`) ?? new Map(),
      load: (index) => store.load(pageKey(family, plane, index)),
      key: (index) => pageKey(family, plane, index),
    })
  return { pools, gatewayMac, source }
}

/** One family's part of the pools. */
export function membersOf<F extends 'v4' | 'v6'>(pools: PoolMembers | undefined, family: F) {
  type N = F extends 'v4' ? number : bigint
  const members = new Map<string, RangeSet<N>>()
  for (const [name, sets] of pools ?? []) members.set(name, sets[family] as unknown as RangeSet<N>)
  return members
}
