import type { Caller } from '../../shared/access/caller.ts'
import type { Grant } from '../../shared/access/grants.ts'
import type { ApiKey } from '../../shared/access/keys.ts'
import type { RatePolicy, RateState } from '../../shared/access/rate.ts'
import type { Problem } from '../../shared/problem.ts'
import type { Result } from '../../shared/result.ts'

/** What the middleware and the routes of keys need; functions/env.ts builds it from the bindings. */
export interface Callers {
  /** Who carries this credential, or why nobody does: `unauthenticated`, or `unavailable` where it cannot be told. */
  identify(credential: string): Promise<Result<Identified, Problem>>
  readonly rate: RatePolicy
  readonly keys: Keys
}

export interface Identified {
  readonly caller: Caller
  readonly rate: RateState
}

/** What an administrator asks for. Times are wall ms. */
export interface KeyWish {
  readonly name: string
  readonly tenant?: string
  readonly grants: readonly Grant[]
  readonly expiresAt?: number
}

export interface Keys {
  /** `text` is the key itself; nobody can ask for it again. */
  make(wish: KeyWish, madeBy: string): Promise<{ readonly key: ApiKey; readonly text: string }>
  list(after: string, limit: number): Promise<readonly ApiKey[]>
  revoke(id: string): Promise<ApiKey | undefined>
}
