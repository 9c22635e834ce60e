import { describe, expect, it } from 'vitest'
import { load, recordings } from '../support/controller/replay/recording.ts'
import { replay } from '../support/controller/replay/replay.ts'
import type { Surroundings } from '../support/controller/replay/run.ts'

/** Every recording by name (test/data/recordings/README.md says what each is about). None is left out. */
const REPRODUCED = [
  'D10-mac',
  'D11-immutable-edited',
  'D12-wrong-name-and-types',
  'D15-create-delete-race',
  'D15-delete-before-finalizer-paused',
  'D15-delete-before-finalizer-write-refused',
  'D19-finalizer-at-creation',
  'D19-terminating-held-under-new-pod',
  'D20-edit-then-delete',
  'D20-edit-then-delete-merged',
  'D22-cidr-shrink-grow',
  'D22-delete-stranded',
  'D22-exclude-covers-bound',
  'D28-long-subnet-name',
  'D3-created-while-down-no-policy',
  'D3-created-while-down-with-ipAddress',
  'D3-created-while-down-without-ipAddress',
  'D5-label-at-creation',
  'D5-relabel-race',
  'D5-write-2-refused',
  'D6-complete-object-recreated',
  'D6-reapply-live',
  'D8-dual-first-half-leaks',
  'D8-dual-v6-only-subnet-and-v6',
  'D9-unparsable-and-swapped',
  'DS-dual-stack',
  'N1-static-gateway-and-edges',
  'N1-static-on-pod-address',
  'N2-control-release-one-of-two',
  'N2-delete-recreate-delete',
  'N2-reserve-elsewhere-frees-shared',
  'N2-second-release-frees-shared',
  'N3-own-finalizer',
  'N3-own-finalizer-no-barrier',
  'P1-pod-uses-dynamic',
  'P10-reserve-when-port-exists',
  'P11-delete-reservation-under-pod',
  'P12-pod-bad-address-loses-lease',
  'P13-full-subnet-own-reservation',
  'P14-pod-running-restart',
  'P15-labelled-pod-restart',
  'P15-running-pod-foreign-address',
  'P16-graceful-pod-deletion',
  'P2-pod-uses-static',
  'P3-pod-annotated-equal-dynamic',
  'P4-pod-annotated-equal-static',
  'P5-pod-annotated-different-static',
  'P6-pod-mac-annotation-only',
  'P7-pod-other-subnet',
  'P8-pod-first-then-label',
  'P9-reserve-while-pod-exists',
  'PL-ippool',
  'PL-ippool-over-bound',
  'R1-seeds',
  'R2-restart-absent-owners',
  'R2b-restart-gc-interval-0',
  'R3-restart-deny-policy',
  'R4-given-away-after-restart',
  'R5-two-static-one-address',
  'R6-ownerref-subnet',
  'R7-excluded-window',
  'R8-pod-after-restart-plain',
  'R9-pod-after-restart-annotated',
  'R9b-pod-after-restart-ip-annotation-only',
  'SD-subnet-deleted-with-reservations',
  'STS-graceful-set-lives',
  'STS-reserved-set-lives',
  'STS-set-deleted',
  'STS-unreserved-control',
  'T1-late-ack-write-refused-10s',
  'T1-late-ack-write-refused-12s',
  'T2-create-during-pause-over-30s',
  'T3-pause-18s-late-ack',
  'T4-delete-during-pause',
  'T5-delete-while-down',
  'T6-api-server-restart',
  'T7-created-again-during-pause',
  'T8-finalizer-stripped-by-user',
  'VM1-stop-start-delete',
  'VM2-delete-under-deny-policy',
  'VM3-reservation-never-started',
  'VM4-migration-target-pod',
  'VM5-vm-and-pod-deleted-together',
  'VM6-reservation-named-after-pod',
] as const

/** A model that is wrong is searched to the end: that takes a while. */
const LIMIT_MS = 180_000

/** What a recording does not say of itself. */
const SURROUNDINGS: Readonly<Record<string, Surroundings>> = {
  // Its Subnet is the namespace's own.
  'P13-full-subnet-own-reservation': { namespaceSubnets: ['tiny'] },
  // Recorded while the controller was still starting: the workers of IP objects begin 750 ms later.
  'R2b-restart-gc-interval-0': { runningForMs: 2_260 },
}

describe('the model does what a real kube-ovn-controller did', () => {
  it('in every recording there is', () => {
    expect(recordings()).toEqual(REPRODUCED)
  })

  it.each(REPRODUCED)(
    '%s: the same writes in the same order, the same end',
    async (name) => {
      const result = await replay(load(name), { surroundings: SURROUNDINGS[name] ?? {} })
      expect(result.why).toBe('')
      expect(result.reproduced).toBe(true)
    },
    LIMIT_MS,
  )
})
