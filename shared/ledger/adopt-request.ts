import { type Finding, problem } from '../problem.ts'
import { adopted, adoptionFinding } from './adopt.ts'
import { holdGate } from './announced.ts'
import { claimFor } from './foreign.ts'
import { knownKey } from './hold.ts'
import type { AdoptRequest, Opened } from './port.ts'
import { refusedAnswer } from './refusals.ts'
import { saidBy } from './said.ts'
import type { Space, Verdict } from './space.ts'

/** An object that is there is to be a reservation as it is. One that is so already is the answer. */
export function adopt(space: Space, request: AdoptRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = request.dryRun ? undefined : knownKey(space, request)
    if (known) return { commit: false, value: known }
    space.told(request.mode)
    const gate = holdGate(space, request.verified === true)
    return gate ? { commit: false, value: gate } : open(space, request)
  })
}

function open(space: Space, request: AdoptRequest): Verdict<Opened> {
  const { seen } = request
  const promise = space.leases.promise(seen.name)
  if (promise) {
    if (promise.state === 'held' || promise.state === 'releasing') {
      const waiting = problem('releasing', `an operation on ${promise.nic} is under way`, {
        retryAfterMs: 1_000,
      })
      return { commit: false, value: { kind: 'busy', op: promise.op, problem: waiting } }
    }
    if (promise.uid === seen.uid) {
      const answer = { kind: 'done', created: false, leases: [space.view(promise)] } as const
      return { commit: false, value: { kind: 'answer', answer } }
    }
    return refused({
      code: 'contested',
      field: 'name',
      message: `${seen.name} is reserved, and its name is another object's`,
    })
  }
  const said = saidBy(seen)
  if (said.v4 === null && said.v6 === null) {
    return refused({
      code: 'contested',
      field: 'name',
      message: `the IP object ${seen.name} has no address: reserve it`,
    })
  }
  const before = space.claims.get(seen.name)
  const answered = before && { wish: before.wish, refused: before.refused, retryMs: before.retryMs }
  const claim = claimFor(space, seen, answered)
  const row = space.leases.get(claim.name, claim.id)
  if (!row) throw new Error(`the claim of ${claim.name} has no row`)
  const finding = adoptionFinding(space, row, claim)
  return finding ? refused(finding) : adopted(space, request, row, claim)
}

function refused(finding: Finding): Verdict<Opened> {
  return { commit: false, value: { kind: 'answer', answer: refusedAnswer([finding]) } }
}
