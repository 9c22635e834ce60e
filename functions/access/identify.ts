import { type Caller, EVERY_RIGHT } from '../../shared/access/caller.ts'
import { KEY_PREFIX } from '../../shared/access/key-text.ts'
import type { RatePolicy, RateState } from '../../shared/access/rate.ts'
import { type ClusterReviews, reviewedRights } from '../../shared/access/reviews.ts'
import { tenantOf } from '../../shared/command/admission/types.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { isAdminKey } from './admin-key.ts'
import { identifyKey, type KeyParts, keysOver } from './api-key.ts'
import type { Callers, Identified } from './callers.ts'
import type { Oidc } from './oidc.ts'

export interface CallerParts extends KeyParts {
  readonly rate: RatePolicy
  readonly adminKeyHash?: string
  readonly oidc: Oidc
  /** Where there is a cluster whose tokens are taken. */
  readonly reviews?: ClusterReviews
}

/** Longer than any token that makes sense; what is longer is not looked at. */
const CREDENTIAL_LIMIT = 16 * 1024

/** Tells by its form what a credential is, and asks the one who knows. Nothing is tried a second way. */
export function callersOver(parts: CallerParts): Callers {
  return {
    rate: parts.rate,
    keys: keysOver(parts),
    identify: async (credential) => {
      if (credential.length > CREDENTIAL_LIMIT || !/^[\x21-\x7e]+$/.test(credential)) return err(UNKNOWN)
      if (credential.startsWith(KEY_PREFIX)) {
        if (await isAdminKey(credential, parts.adminKeyHash)) return metered(parts, ADMIN)
        return identifyKey(parts, credential, parts.rate)
      }
      const issuer = parts.oidc.issuerOf(credential)
      const caller = issuer
        ? await parts.oidc.identify(credential, issuer)
        : await ofCluster(credential, parts)
      return caller.ok ? metered(parts, caller.value) : caller
    },
  }
}

const ADMIN: Caller = { tenant: 'admin', rights: EVERY_RIGHT }

const UNKNOWN = problem('unauthenticated', 'this credential is not one that this server knows', {
  field: 'Authorization',
})

async function metered({ access, rate }: CallerParts, caller: Caller): Promise<Result<Identified, Problem>> {
  const state: RateState = await access().take(caller.tenant, rate)
  return ok({ caller, rate: state })
}

async function ofCluster(token: string, { cluster, reviews }: CallerParts): Promise<Result<Caller, Problem>> {
  const user = reviews ? await reviews.who(token) : 'refused'
  if (!reviews || user === 'refused') return err(UNKNOWN)
  if (user === 'unknown') return err(problem('unavailable', 'the cluster does not tell whose token this is'))
  return ok({ tenant: tenantOf(cluster, user.username), rights: reviewedRights(reviews, user) })
}
