/**
 * Pinning: a wish outside the window is put into the Subnet's excludeIps before it is held (OUTSIDE_WINDOW=pin), and taken
 * out again when nobody has it reserved any more. Annotation berth/pinned tells Berth's entries from others'.
 */

import { ANNOTATION_PINNED } from '../kube-ovn/names.ts'
import type { SubnetObject } from '../kube-ovn/subnet-object.ts'
import { rangesOf } from '../ledger/facts.ts'
import type { HoldRequest, LeaseView } from '../ledger/port.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { patchSubnet, readSubnetObject } from './exclude-ips.ts'
import { windowOf } from './facts.ts'
import type { CommandPorts } from './ports.ts'
import { uncovered } from './repair/window.ts'
import { clusterProblem, learnSubnet } from './subnets.ts'
import { stillUnseen, unseenPods } from './unseen-pods.ts'

/** What becomes of a wish outside the window, as a hold is told (OUTSIDE_WINDOW). */
export function pinsOf({ settings }: Pick<CommandPorts, 'settings'>): Pick<HoldRequest, 'pins'> {
  return settings.authority === 'beside' && settings.outsideWindow === 'pin' ? { pins: 'wanted' } : {}
}

/** How long between two looks: growing to the second. */
const restMs = (tries: number, leftMs: number) => Math.min(25 * 2 ** Math.min(tries, 5), Math.max(leftMs, 1))

/** Addresses of what would be held, as a dry run says. */
export function heldOf(leases: readonly LeaseView[]): string[] {
  return leases
    .filter(({ state }) => state === 'held')
    .flatMap(({ v4, v6 }) => [v4, v6])
    .filter((address) => address !== '')
}

/**
 * Puts addresses into excludeIps and waits until kube-ovn-controller can have given none of them to somebody nobody sees:
 * its status names them no longer as available, and each Pod that was there before shows what it has. Who has one of
 * them is known to the ledger after that (R4).
 * @param leftMs how long it may take; what is written stays, so a second try is quick
 * @returns `outside_window` where a Pod does not show its address in time
 */
export async function pin(
  ports: CommandPorts,
  name: string,
  addresses: readonly string[],
  leftMs: () => number,
): Promise<Result<undefined, Problem>> {
  for (let tries = 0; ; tries++) {
    const object = await readSubnetObject(ports, name)
    if (!object.ok) return object
    const excludeIps = object.value.spec?.excludeIps ?? []
    const missing = uncovered(addresses, excludeIps)
    if (missing.length > 0) {
      const pinned = [...pinnedOf(object.value), ...missing].join(',')
      const written = await patchSubnet(ports, object.value, {
        metadata: { annotations: { [ANNOTATION_PINNED]: pinned } },
        spec: { excludeIps: [...excludeIps, ...missing] },
      })
      if (!written.ok) return written
    } else if (!isAvailable(object.value, addresses)) {
      const seen = await allShown(ports, object.value, addresses, leftMs)
      if (!seen.ok) return seen
      const learnt = await learnSubnet(ports, name)
      return learnt.ok ? ok(undefined) : learnt
    }
    if (leftMs() <= 0) {
      const detail = `${addresses.join(', ')} is in excludeIps of Subnet ${name}; kube-ovn-controller has yet to show that`
      return err(problem('unavailable', detail, { retryAfterMs: 1_000 }))
    }
    await ports.clock.sleep(restMs(tries, leftMs()))
  }
}

/**
 * The Pods that were there when the addresses were excluded have shown what they got, or have gone: what the controller
 * has in its memory alone cannot be one of these addresses any more.
 */
async function allShown(
  ports: CommandPorts,
  subnet: SubnetObject,
  addresses: readonly string[],
  leftMs: () => number,
): Promise<Result<undefined, Problem>> {
  let unseen = await unseenPods(ports, subnet)
  for (let tries = 0; ; tries++) {
    if (!unseen.ok) return err(clusterProblem(unseen.error))
    const [first] = unseen.value
    if (!first) return ok(undefined)
    if (leftMs() <= 0) {
      const detail = `Pod ${first.namespace}/${first.name} has yet to show its address, which may be ${addresses.join(' or ')}: kube-ovn-controller gave it away before it was excluded, or did not`
      return err(problem('outside_window', detail, { field: 'v4IpAddress', retryAfterMs: 1_000 }))
    }
    await ports.clock.sleep(restMs(tries, leftMs()))
    unseen = await stillUnseen(ports, subnet, unseen.value)
  }
}

/** Entries of excludeIps that Berth put there. */
export function pinnedOf({ metadata }: SubnetObject): readonly string[] {
  const text = metadata.annotations?.[ANNOTATION_PINNED]?.trim() ?? ''
  return text === '' ? [] : text.split(',').map((entry) => entry.trim())
}

/** Whether the controller still counts one of these as free to give. */
function isAvailable({ status }: SubnetObject, addresses: readonly string[]): boolean {
  const { v4availableIPrange = '', v6availableIPrange = '' } = (status ?? {}) as Record<string, string>
  const ranges = [v4availableIPrange, v6availableIPrange]
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '')
    .map((text) => text.replace('-', '..'))
  const { v4, v6 } = rangesOf(ranges)
  const wanted = rangesOf(addresses)
  return !wanted.v4.intersect(v4).isEmpty || !wanted.v6.intersect(v6).isEmpty
}

/** What a dry run says of each lease that would be pinned. */
export async function pinsForeseen(
  ports: CommandPorts,
  subnet: string,
  leases: readonly LeaseView[],
): Promise<readonly (readonly string[])[]> {
  if (pinsOf(ports).pins === undefined) return []
  const view = await ports.ledger(subnet).view()
  return leases.map((lease) => {
    const missing = uncovered(heldOf([lease]), view?.facts.excludeIps ?? [])
    return missing.length === 0
      ? []
      : [
          `${missing.join(' and ')} is outside the window: it is put into excludeIps of Subnet ${subnet} first, and reserved once no Pod can have it`,
        ]
  })
}

/**
 * Takes entries out of excludeIps that Berth put there and nobody needs any more. The write is announced to the ledger,
 * which grants no pinned wish from there until it is known how it ended; so no row can come that this did not see.
 * @returns what was taken out
 */
export async function unpin(ports: CommandPorts, name: string): Promise<Result<readonly string[], Problem>> {
  const ledger = ports.ledger(name)
  const known = await ledger.view()
  if (!known) return err(problem('unknown_subnet', `the ledger knows no Subnet ${name}`, { field: 'name' }))
  const token = await ledger.announce(known.facts.provider)
  if (!token.ok) return token
  const object = await readSubnetObject(ports, name)
  const written = object.ok ? await withoutPins(ports, object.value) : object
  // Of a write whose outcome nobody knows the ledger waits until it cannot land any more.
  if (written.ok && written.value.outcome === 'unknown') {
    return err(problem('unavailable', `it is not known whether excludeIps of ${name} were written`))
  }
  const learnt = await learnSubnet(ports, name, 'name', token.value)
  if (!written.ok) return written
  if (!learnt.ok) return learnt
  return written.value.outcome === 'done'
    ? ok(written.value.over)
    : err(problem('unavailable', `somebody else writes Subnet ${name}`, { retryAfterMs: 1_000 }))
}

async function withoutPins(ports: CommandPorts, object: SubnetObject) {
  const { name } = object.metadata
  const pinned = pinnedOf(object)
  const outside = uncovered(pinned, windowOf(object, ports.settings.windows) ?? [])
  const free = await Promise.all(pinned.map((entry) => isFree(ports, name, entry)))
  const over = pinned.filter((entry, index) => free[index] && outside.includes(entry))
  const left = pinned.filter((entry) => !over.includes(entry))
  if (over.length === 0) return ok({ outcome: 'done' as const, over })
  const excludeIps = object.spec?.excludeIps ?? []
  const written = await patchSubnet(ports, object, {
    metadata: { annotations: { [ANNOTATION_PINNED]: left.length > 0 ? left.join(',') : null } },
    spec: { excludeIps: excludeIps.filter((entry) => !over.includes(entry)) },
  })
  return written.ok ? ok({ outcome: written.value, over }) : written
}

/** Whether the ledger has no row with it, in whatever state. */
async function isFree(ports: CommandPorts, subnet: string, address: string): Promise<boolean> {
  const filter = address.includes(':') ? { v6: address } : { v4: address }
  const { leases, after } = await ports.ledger(subnet).page(filter, ['', ''], 1)
  return leases.length === 0 && after === undefined
}
