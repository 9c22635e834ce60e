import { grantedRights } from '../../shared/access/grants.ts'
import { formatKey, hashSecret, newKey, parseKey } from '../../shared/access/key-text.ts'
import type { ApiKey } from '../../shared/access/keys.ts'
import type { RatePolicy } from '../../shared/access/rate.ts'
import type { Clock } from '../../shared/clock.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import type { Random } from '../../shared/random.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { Access } from '../objects/access.ts'
import type { Identified, Keys } from './callers.ts'

export interface KeyParts {
  /** The cluster that is asked for. */
  readonly cluster: string
  readonly access: () => DurableObjectStub<Access>
  readonly clock: Clock
  readonly random: Random
}

/** A malformed, unknown, expired or revoked key: one answer for all, for nobody learns here which ids exist. */
const NOT_A_KEY = problem('unauthenticated', 'this API key is not accepted: unknown, expired or revoked', {
  field: 'Authorization',
})

/** The caller who carries an API key. The secret itself goes no further than this isolate. */
export async function identifyKey(
  { access, cluster }: KeyParts,
  text: string,
  rate: RatePolicy,
): Promise<Result<Identified, Problem>> {
  const given = parseKey(text)
  if (!given) return err(NOT_A_KEY)
  const admitted = await access().admit(given.id, await hashSecret(given.secret), rate)
  if (!admitted) return err(NOT_A_KEY)
  const { tenant, grants } = admitted.key
  return ok({
    caller: { tenant: `key/${tenant}`, rights: grantedRights(grants, cluster) },
    rate: admitted.rate,
  })
}

export function keysOver({ access, clock, random }: KeyParts): Keys {
  return {
    make: async (wish, madeBy) => {
      const made = newKey(random)
      const key: ApiKey = {
        id: made.id,
        name: wish.name,
        tenant: wish.tenant ?? made.id,
        grants: wish.grants,
        madeBy,
        createdAt: clock.nowMs(),
        ...(wish.expiresAt === undefined ? {} : { expiresAt: wish.expiresAt }),
      }
      await access().add(key, await hashSecret(made.secret))
      return { key, text: formatKey(made) }
    },
    list: (after, limit) => access().list(after, limit),
    revoke: (id) => access().revoke(id),
  }
}
