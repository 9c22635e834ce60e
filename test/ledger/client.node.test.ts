import { describe, expect, it } from 'vitest'
import type { Subnet } from '../../functions/objects/subnet.ts'
import { LedgerUnavailable, subnetClient } from '../../functions/objects/subnet-client.ts'
import type { HoldRequest, LedgerPort, ReleaseRequest } from '../../shared/ledger/port.ts'

/** Errors as the runtime marks them (faults.md 47). */
const marked = (message: string, marks: object) => Object.assign(new Error(message), marks)
const OVERLOADED = marked('Durable Object is overloaded.', { overloaded: true, remote: false })
const BOTH = marked('Durable Object is overloaded.', { overloaded: true, retryable: true })
const RETRYABLE = marked('Network connection lost.', { retryable: true })
const RESET = marked('Durable Object reset because its code was updated.', { remote: true })

/** A namespace whose stubs fail as told, one after the other, then answer with their number. */
function namespaceOf(...failures: readonly Error[]) {
  const calls: { readonly stub: number; readonly verb: string }[] = []
  let stubs = 0
  const getByName = () => {
    const stub = stubs++
    return new Proxy(
      {},
      {
        get: (_, verb: string) => async () => {
          calls.push({ stub, verb })
          const failure = failures[calls.length - 1]
          if (failure) throw failure
          return calls.length
        },
      },
    )
  }
  const namespace = { getByName } as unknown as DurableObjectNamespace<Subnet>
  return { ledger: subnetClient(namespace, 'default/lab'), calls }
}

const keyed = { tenant: 'anonymous', key: 'k', bodyHash: 'h', dryRun: false }
const keyless = { tenant: 'anonymous', bodyHash: 'h', dryRun: false }
const hold = (more: object): HoldRequest => ({ items: [], ...keyed, ...more }) as HoldRequest
const release = (more: object): ReleaseRequest =>
  ({ items: [], force: false, ...keyed, ...more }) as ReleaseRequest

/** Calls that change nothing when repeated, or that the ledger recognises as repeated. */
const REPEATABLE: readonly (readonly [string, (ledger: LedgerPort) => Promise<unknown>])[] = [
  ['hold with a key', (ledger) => ledger.hold(hold({}))],
  ['a dry hold', (ledger) => ledger.hold({ ...keyless, items: [], dryRun: true })],
  ['release with a key', (ledger) => ledger.release(release({}))],
  ['report', (ledger) => ledger.report({ op: 'op', driver: 1, attempt: 1, evidence: [] })],
  ['locate', (ledger) => ledger.locate([], keyed)],
  ['settled', (ledger) => ledger.settled('op', 0)],
  ['find', (ledger) => ledger.find('a.b')],
  ['page', (ledger) => ledger.page({}, ['', ''], 1)],
  ['view', (ledger) => ledger.view()],
]
const ONCE: readonly (readonly [string, (ledger: LedgerPort) => Promise<unknown>])[] = [
  ['hold without a key', (ledger) => ledger.hold({ ...keyless, items: [] })],
  ['release without a key', (ledger) => ledger.release({ ...keyless, items: [], force: false })],
  ['resume', (ledger) => ledger.resume('op', 1)],
]

describe('a ledger object that fails', () => {
  it.each(REPEATABLE)('retryably is asked once more, over a new stub: %s', async (_, call) => {
    const { ledger, calls } = namespaceOf(RETRYABLE)
    expect(await call(ledger)).toBe(2)
    expect(new Set(calls.map(({ stub }) => stub)).size).toBe(2)
  })

  it.each(REPEATABLE)('retryably twice is unavailable: %s', async (_, call) => {
    const { ledger, calls } = namespaceOf(RETRYABLE, RETRYABLE)
    await expect(call(ledger)).rejects.toBeInstanceOf(LedgerUnavailable)
    expect(calls).toHaveLength(2)
  })

  it.each(ONCE)('retryably is not asked again where a repetition might meet itself: %s', async (_, call) => {
    const { ledger, calls } = namespaceOf(RETRYABLE)
    await expect(call(ledger)).rejects.toBeInstanceOf(LedgerUnavailable)
    expect(calls).toHaveLength(1)
  })

  it.each([...REPEATABLE, ...ONCE])('overloaded, or reset, is never asked again: %s', async (_, call) => {
    for (const failure of [OVERLOADED, BOTH, RESET, new Error('?')]) {
      const { ledger, calls } = namespaceOf(failure)
      await expect(call(ledger)).rejects.toThrow('the ledger does not answer')
      expect(calls).toHaveLength(1)
    }
  })

  it('says nothing of why to whoever asked, and all of it to the log', async () => {
    const { ledger } = namespaceOf(OVERLOADED)
    const failure = await ledger.find('a.b').catch((error: unknown) => error)
    expect(failure).toMatchObject({ message: 'the ledger does not answer', cause: OVERLOADED })
  })

  it('answers the next call over a stub of its own', async () => {
    const { ledger, calls } = namespaceOf(OVERLOADED)
    await ledger.find('a.b').catch(() => {})
    await ledger.find('a.b')
    expect(calls.map(({ stub }) => stub)).toEqual([0, 1])
  })
})
