import type { RatePolicy } from '../../shared/access/rate.ts'
import { listOf, type Variable } from '../variable.ts'
import { type Issuer, oidcSchema } from './oidc-settings.ts'

/** Variables that say who is let in; docs/access.md explains them. */
export interface AccessVariables {
  readonly ADMIN_KEY_SHA256?: Variable
  readonly OIDC?: Variable
  readonly RATE_LIMIT?: Variable
  readonly KUBE_AUDIENCES?: Variable
}

export interface AccessSettings {
  /** SHA-256 of the first key's secret, hex. */
  readonly adminKeyHash?: string
  readonly issuers: readonly Issuer[]
  readonly rate: RatePolicy
  /** What a token of the cluster must be meant for. */
  readonly audiences?: readonly string[]
}

const RATE: RatePolicy = { quota: 6_000, windowMs: 60_000 }

/** Reads the variables. A value that makes no sense is an error, never a silent default; none is shown in a message. */
export function accessSettingsOf(variables: AccessVariables): AccessSettings {
  const { ADMIN_KEY_SHA256: hash, KUBE_AUDIENCES: audiences } = variables
  if (hash && !/^[0-9a-f]{64}$/.test(hash))
    throw new Error('ADMIN_KEY_SHA256 must be 64 hex digits, lower case')
  return {
    ...(hash ? { adminKeyHash: hash } : {}),
    issuers: listOf('OIDC', oidcSchema, variables.OIDC),
    rate: rateOf(variables.RATE_LIMIT),
    ...(audiences ? { audiences: audiences.split(',').map((one) => one.trim()) } : {}),
  }
}

/** `requests/seconds`. */
function rateOf(text: Variable): RatePolicy {
  if (!text) return RATE
  const [, quota, seconds] = /^([1-9]\d{0,8})\/([1-9]\d{0,4})$/.exec(text) ?? []
  if (quota === undefined) throw new Error('RATE_LIMIT must be requests/seconds, such as 6000/60')
  return { quota: Number(quota), windowMs: Number(seconds) * 1000 }
}
