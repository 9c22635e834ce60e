import { expect } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { formatAddress } from '../../shared/ipam/address.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { ANNOTATION_OP, FINALIZER, LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import { AuditTable } from '../../shared/ledger/audit.ts'
import { ChainVerifier } from '../../shared/ledger/audit-chain.ts'
import { recount } from '../../shared/ledger/counts.ts'
import { LeaseTable } from '../../shared/ledger/lease.ts'
import { Space } from '../../shared/ledger/space.ts'
import type { World } from './world.ts'

/**
 * Invariants 1, 2, 3, 7, 8 and 19 of a quiet world: no operation open, rows and IP objects one to one, bitmap equal to
 * the rows, counts equal to a recount, and a fresh core over the same storage equal to the live one.
 */
export async function expectAgreement(world: World, subnet = 'ovn-default'): Promise<void> {
  const sql = world.sql(subnet)
  const rows = [...new LeaseTable(sql, () => {}).all()]
  const open = sql.all(`SELECT id FROM op WHERE next_ms IS NOT NULL`)
  expect(open, 'operations still open').toEqual([])
  const unread = sql.all(`SELECT op, n FROM attempt WHERE outcomes IS NULL`)
  expect(unread, 'attempts nobody knows the outcome of').toEqual([])

  const v4 = rows.filter((row) => row.bit && row.v4 !== null).map((row) => row.v4)
  expect(new Set(v4).size, 'one owner per address').toBe(v4.length)
  const v6 = rows.filter((row) => row.bit && row.v6 !== null).map((row) => row.v6)
  expect(new Set(v6).size, 'one owner per address').toBe(v6.length)
  // What is nobody's has none.
  const macs = rows.filter(({ state, mac }) => state !== 'foreign' && mac !== '').map((row) => row.mac)
  expect(new Set(macs).size, 'one owner per MAC').toBe(macs.length)

  expectChain(world, subnet)
  const objects = ipObjects(world, subnet)
  const promised = rows.filter((row) => row.state === 'bound' || row.state === 'stranded')
  expect(
    objects
      .map(({ metadata, spec }) => [
        metadata.name,
        metadata.uid,
        spec?.v4IpAddress,
        spec?.v6IpAddress,
        spec?.macAddress,
        spec?.namespace,
        spec?.podName,
      ])
      .sort(),
    'rows and IP objects are one to one',
  ).toEqual(
    promised
      .map((row) => [
        row.nic,
        row.uid,
        row.v4 === null ? '' : formatAddress(4, row.v4),
        row.v6 === null ? '' : formatAddress(6, row.v6),
        row.mac,
        row.namespace,
        row.podName,
      ])
      .sort(),
  )
  for (const { metadata } of objects) {
    expect(metadata.finalizers).toEqual([FINALIZER])
    expect(metadata.labels?.[LABEL_RESERVED]).toBe('true')
  }

  const fresh = new Space({ sql, clock: world.clock, random: world.random, settings: world.settings })
  if (!fresh.subnet) return
  expect(fresh.counts, 'counts equal a recount').toEqual(recount(rows, fresh.excludes()))
  const view = await world.ledger(subnet).view()
  const capacity = fresh.allocator.capacity()
  // Where a window or a policy narrows the choice, fewer are free to choose than are free.
  if (fresh.config === fresh.plain) {
    expect(capacity.v4?.free, 'bitmap equals rows').toBe(view?.v4?.free)
    expect(capacity.v6?.free, 'bitmap equals rows').toBe(view?.v6?.free)
  }
  const { in4 } = fresh.excludes()
  const held4 = rows.flatMap((row) => (row.v4 !== null && in4(row.v4) ? [row.v4] : []))
  expect(new Set(held4).size, 'one owner per address').toBe(held4.length)
  expect(fresh.allocator.usingRanges(4)).toBe(rangesOf(held4))
  if (fresh.subnet.orphaned) return
  const live = await world.ledger(subnet).suggest(5, false)
  const cold = fresh.allocator.suggest(5, { family: fresh.config.v4 ? 4 : 6 })
  expect(live?.ok ? live.value : [], 'a cold core would choose the same').toEqual(cold.ok ? cold.value : [])
}

/** IP objects with Berth's marks in a Subnet. */
export function ipObjects(world: World, subnet = 'ovn-default'): KubeObject<IpSpec>[] {
  const list = world.store.list('IP', {})
  if (!list.ok) throw new Error(list.error.message)
  return (list.value.items as KubeObject<IpSpec>[]).filter(
    ({ metadata, spec }) => spec?.subnet === subnet && metadata.annotations?.[ANNOTATION_OP] !== undefined,
  )
}

function rangesOf(addresses: number[]): string {
  const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
  const sorted = [...addresses].sort((a, b) => a - b)
  const ranges: [number, number][] = []
  for (const address of sorted) {
    const last = ranges.at(-1)
    if (last && last[1] === address - 1) last[1] = address
    else ranges.push([address, address])
  }
  return ranges.map(([from, to]) => (from === to ? text(from) : `${text(from)}-${text(to)}`)).join(',')
}

/** The audit as its lines. */
export function auditOf(world: World, subnet = 'ovn-default'): Record<string, unknown>[] {
  return auditLines(world, subnet).map((line) => JSON.parse(line))
}

export function auditLines(world: World, subnet = 'ovn-default'): string[] {
  return new AuditTable(world.sql(subnet)).page({}, 0, 100_000).lines.map(({ line }) => line)
}

/** The audit's chain holds, and ends each reservation as its row is. */
function expectChain(world: World, subnet: string): void {
  const verifier = new ChainVerifier()
  const lines = auditLines(world, subnet)
  for (const [index, line] of lines.entries()) verifier.take(line, index + 1)
  const { spaces, stray } = verifier.report()
  expect([stray, spaces.map(({ fault }) => fault)], 'the chain of the audit').toEqual([
    undefined,
    spaces.map(() => undefined),
  ])
  const last = new Map<string, unknown>()
  for (const line of lines) {
    const { id, after } = JSON.parse(line) as { id: string; after: { state: string } | null }
    last.set(id, after?.state)
  }
  const promised = [...new LeaseTable(world.sql(subnet), () => {}).all()].filter(
    ({ state }) => state === 'bound' || state === 'stranded',
  )
  for (const { id, state, nic } of promised) expect(last.get(id), `the audit of ${nic}`).toBe(state)
}
