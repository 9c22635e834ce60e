import { expect, test } from 'vitest'
import { readiness } from '../../functions/readiness.ts'
import type { ClusterSettings } from '../../functions/settings.ts'
import type { KindStatus, MirrorStatus } from '../../shared/command/mirror/mirror.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { World } from '../support/world.ts'

const URL = 'https://api.example:6443'
const CLUSTER: ClusterSettings = { kind: 'kubernetes', url: URL, authority: 'auto' }
const kind = (more: Partial<KindStatus> = {}): KindStatus => ({
  kind: 'IP',
  state: 'synced',
  ageMs: 3_000,
  ready: true,
  ...more,
})

/** The parts named cluster and authority, with what the mirror and the Lease say. */
async function parts(
  kinds: readonly KindStatus[] | undefined,
  inCharge: Result<'alone' | 'beside', Problem> = ok('alone'),
) {
  const status: MirrorStatus | undefined = kinds && { kinds, waiting: 0, failing: [] }
  const told = await readiness({
    ports: new World().ports,
    cluster: CLUSTER,
    hasSecret: false,
    inCharge: async () => inCharge,
    exposed: async (mode) => (mode === 'beside' ? ['no policy', 'no webhook'] : []),
    mirror: { status: async () => status },
  })
  return Object.fromEntries(told.map(({ part, ready, detail }) => [part, `${ready}: ${detail}`]))
}

test.each<[string, readonly KindStatus[] | undefined, string]>([
  ['all there', [kind(), kind({ kind: 'Pod', ageMs: 41_000 })], `true: ${URL}: read 41 s ago at most`],
  [
    'a kind that was never whole',
    [kind(), kind({ kind: 'Pod', state: 'new', ready: false })],
    `false: ${URL}: Pod never read`,
  ],
  [
    'a kind nobody has spoken of for too long (faults.md 21)',
    [kind({ ageMs: 200_000, ready: false }), kind({ kind: 'Pod' })],
    `false: ${URL}: IP read 200 s ago`,
  ],
  ['no answer', undefined, `false: ${URL}: the mirror does not answer`],
])('the mirror: %s', async (_, kinds, expected) => {
  expect((await parts(kinds)).cluster).toBe(expected)
})

test('somebody else in charge', async () => {
  const conflict = err(problem('authority_conflict', 'kube-ovn-controller holds its Lease'))
  expect((await parts([kind()], conflict)).authority).toBe('false: kube-ovn-controller holds its Lease')
  expect((await parts([kind()])).authority).toBe('true: alone')
  // Beside the controller, what its restart would do.
  expect((await parts([kind()], ok('beside'))).authority).toBe('true: beside; no policy; no webhook')
})
