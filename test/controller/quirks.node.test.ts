import { describe, expect, it } from 'vitest'
import { QUIRKS, type Quirk, without } from '../support/controller/quirks.ts'
import { load } from '../support/controller/replay/recording.ts'
import { replay } from '../support/controller/replay/replay.ts'

/** With the quirk on each of these recordings needs a few, at most 50 (D8). */
const MAX_RUNS = 60

interface Row {
  readonly quirk: Quirk
  /** A recording that shows the quirk. */
  readonly recording: string
  /** What cannot be matched without it: the write that stays away, or the one that nobody made. */
  readonly amiss: string
}

const ROWS: readonly Row[] = [
  {
    quirk: 'Q1',
    recording: 'R9-pod-after-restart-annotated',
    amiss: 'expected patch /api/v1/namespaces/default/pods/pod-a',
  },
  { quirk: 'Q2', recording: 'D20-edit-then-delete-merged', amiss: 'a.default' },
  { quirk: 'Q3', recording: 'D19-finalizer-at-creation', amiss: 'own.default' },
  {
    quirk: 'Q4',
    recording: 'R5-two-static-one-address',
    amiss: 'expected update /apis/kubeovn.io/v1/ips/b.default',
  },
  {
    quirk: 'Q4',
    recording: 'P3-pod-annotated-equal-dynamic',
    amiss: 'not in the recording: send {"verb":"update"',
  },
  { quirk: 'Q4', recording: 'D10-mac', amiss: 'equal.default' },
  { quirk: 'Q5', recording: 'D6-complete-object-recreated', amiss: 'with.default' },
  { quirk: 'Q6', recording: 'R1-seeds', amiss: 'merge-patch+json","body":{"metadata":{"labels"' },
  { quirk: 'Q7', recording: 'T1-late-ack-write-refused-12s', amiss: 'not in the recording at its time' },
  { quirk: 'Q8', recording: 'N2-second-release-frees-shared', amiss: 'subnets/tiny/status' },
  { quirk: 'Q9', recording: 'D15-delete-before-finalizer-write-refused', amiss: 'subnets/tiny/status' },
  {
    quirk: 'Q10',
    recording: 'D3-created-while-down-without-ipAddress',
    amiss: 'expected update /apis/kubeovn.io/v1/ips/p.default',
  },
  { quirk: 'Q10', recording: 'R4-given-away-after-restart', amiss: 'subnets/ovn-default/status' },
  {
    quirk: 'Q11',
    recording: 'R2-restart-absent-owners',
    amiss: 'expected delete /apis/kubeovn.io/v1/ips/vm-dynamic-01.default',
  },
  {
    quirk: 'Q12',
    recording: 'STS-unreserved-control',
    amiss: 'send {"verb":"delete","path":"/apis/kubeovn.io/v1/ips/web-0.default"',
  },
  { quirk: 'Q13', recording: 'D8-dual-first-half-leaks', amiss: 'subnets/dual/status' },
  { quirk: 'Q14', recording: 'D22-cidr-shrink-grow', amiss: 'subnets/mid/status' },
]

describe('each quirk is needed', () => {
  it('every quirk has a recording that shows it', () => {
    expect(new Set(ROWS.map(({ quirk }) => quirk))).toEqual(new Set(Object.keys(QUIRKS)))
  })

  it.each(ROWS)('without $quirk, $recording is not reproduced', async ({ quirk, recording, amiss }) => {
    const result = await replay(load(recording), { quirks: without(quirk), maxRuns: MAX_RUNS })
    expect(result.reproduced).toBe(false)
    expect(result.why).toContain(amiss)
  })
})
