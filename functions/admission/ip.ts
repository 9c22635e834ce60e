import { type IpLike, isInfrastructure } from '../../shared/command/admission/ip-spec.ts'
import { type Admission, denied, type IpReview } from '../../shared/command/admission/types.ts'
import { readWishes, type Wish } from '../body/wishes.ts'
import { spellProblem } from '../reply/spell.ts'
import type { AdmissionDoor } from './door.ts'

/** Reviews of kubeovn.io/v1 IP objects: what cannot be judged is refused. */
export const ipDoor: AdmissionDoor = {
  subject: { group: 'kubeovn.io', version: 'v1', resource: 'ips' },
  whenFailed: 'denied',
  async judge(c, verb, { review }) {
    const berth = c.var.berth()
    const ask = (asked: IpReview) => (verb === 'mutate' ? berth.mutateIp(asked) : berth.validateIp(asked))
    // Only what is created makes a wish; the manifest is read as at every other door.
    if (review.operation !== 'CREATE' || isInfrastructure(review.name, review.object as IpLike)) {
      return { verdict: await ask(review), warnings: [] }
    }
    const wishes = readWishes({ entries: [{ value: { ...review.object }, at: [] }], list: false, terms: {} })
    if (!wishes.ok) return { verdict: denied(wishes.error), warnings: [] }
    const [wish] = wishes.value
    if (!wish) throw new Error('one object makes one wish')
    const verdict = await ask({ ...review, item: wish.item })
    return { verdict: spelled(verdict, wish), warnings: verb === 'mutate' ? wish.warnings : [] }
  },
}

/** The core's short names in the manifest's spelling; what is spelled in full stays. */
function spelled(verdict: Admission, wish: Wish): Admission {
  if (verdict.kind !== 'denied') return verdict
  const spell = (field: string) => (/[.[]/.test(field) ? field : wish.spell(field))
  return { ...verdict, problem: spellProblem(verdict.problem, [{ spell }], false) }
}
