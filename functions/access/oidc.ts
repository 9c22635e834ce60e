import { createRemoteJWKSet, customFetch, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Caller } from '../../shared/access/caller.ts'
import { type Grant, grantedRights } from '../../shared/access/grants.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Http } from '../../shared/http.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { discoverKeys } from './oidc-discovery.ts'
import type { Issuer } from './oidc-settings.ts'

const JWKS_LIMIT_MS = 5_000
/** A kid that is not in the set makes it be fetched again, but not more often than this. */
const JWKS_COOLDOWN_MS = 30_000
const JWKS_AGE_MS = 10 * 60_000

export interface OidcParts {
  /** The cluster that is asked for. */
  readonly cluster: string
  readonly issuers: readonly Issuer[]
  readonly http: Http
  readonly clock: Clock
}

type KeySet = ReturnType<typeof createRemoteJWKSet>

/** Key sets by issuer, kept as long as whoever holds this. */
export class Oidc {
  readonly #parts: OidcParts
  readonly #sets = new Map<string, Promise<KeySet>>()

  constructor(parts: OidcParts) {
    this.#parts = parts
  }

  /** The issuer that a token says it is from, if it is one of ours. Nothing of the token is believed yet. */
  issuerOf(token: string): Issuer | undefined {
    try {
      const { iss } = decodeJwt(token)
      return this.#parts.issuers.find(({ issuer }) => issuer === iss)
    } catch {
      return undefined
    }
  }

  /**
   * The caller a JWT speaks for. The algorithm is one the configuration names, all asymmetric, and the key comes from
   * the issuer's set: what the header says of keys (jwk, jku, x5u) is not looked at [RFC 8725 section 3.1, 3.5, 3.8, 3.9].
   */
  async identify(token: string, issuer: Issuer): Promise<Result<Caller, Problem>> {
    try {
      const { payload } = await jwtVerify(token, await this.#keysOf(issuer), {
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        algorithms: [...issuer.algorithms],
        clockTolerance: issuer.skewSeconds,
        currentDate: new Date(this.#parts.clock.nowMs()),
        requiredClaims: ['exp', 'sub'],
      })
      return ok({
        tenant: `oidc/${issuer.issuer}|${payload.sub}`,
        rights: grantedRights(grantsFor(payload, issuer), this.#parts.cluster),
      })
    } catch (error) {
      return err(whyNot(error))
    }
  }

  #keysOf(issuer: Issuer): Promise<KeySet> {
    const known = this.#sets.get(issuer.issuer)
    if (known) return known
    const found = this.#open(issuer)
    this.#sets.set(issuer.issuer, found)
    // An issuer that was away is asked again next time.
    found.catch(() => this.#sets.delete(issuer.issuer))
    return found
  }

  async #open(issuer: Issuer): Promise<KeySet> {
    const { http } = this.#parts
    const url = issuer.jwksUri ?? (await discoverKeys(http, issuer.issuer, JWKS_LIMIT_MS))
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: JWKS_LIMIT_MS,
      cooldownDuration: JWKS_COOLDOWN_MS,
      cacheMaxAge: JWKS_AGE_MS,
      [customFetch]: (address, { headers, signal }) =>
        http.fetch(new Request(address, { headers, signal, redirect: 'manual' })),
    })
  }
}

/** Every grant of every rule whose claims all fit. */
export function grantsFor(payload: JWTPayload, { rules }: Issuer): Grant[] {
  return rules.filter(({ claims }) =>
    Object.entries(claims).every(([name, wanted]) => fits(payload, name, wanted)),
  )
}

/** A claim that is a list fits if one of its entries does. */
function fits(payload: JWTPayload, name: string, wanted: string | readonly string[]): boolean {
  if (!Object.hasOwn(payload, name)) return false
  const claim = payload[name]
  const given = Array.isArray(claim) ? claim : [claim]
  const accepted: readonly unknown[] = typeof wanted === 'string' ? [wanted] : wanted
  return given.some((value) => accepted.includes(value))
}

function whyNot(error: unknown): Problem {
  const refused = (detail: string) => problem('unauthenticated', detail, { field: 'Authorization' })
  if (error instanceof errors.JWTExpired) return refused('the token has expired')
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`the token's ${error.claim} does not fit`)
  if (error instanceof errors.JWKSNoMatchingKey) return refused("the token's key is not one of its issuer's")
  if (error instanceof errors.JOSEAlgNotAllowed) return refused("the token's algorithm is not accepted")
  const ofToken = [
    errors.JWSInvalid,
    errors.JWTInvalid,
    errors.JWSSignatureVerificationFailed,
    errors.JOSENotSupported,
  ]
  if (ofToken.some((kind) => error instanceof kind)) return refused('the token is not valid')
  return problem('unavailable', "the token's issuer does not show its keys")
}
