import type { GitFinding } from './desired.ts'
import type { PlanEntry, Tracked } from './plan.ts'
import type { Verdict } from './provider.ts'

/** What is known of a repository, kept in its object. Times are wall ms. */
export interface GitState {
  /** The last commit whose plan was carried out as far as it can be. */
  readonly commit?: string
  readonly appliedAt?: number
  /** Reservations that commits of this repository asked for. */
  readonly tracked: readonly Tracked[]
  /** The last plan, of `commit` or of one that could not be carried out. */
  readonly plan?: {
    readonly commit: string
    readonly entries: readonly PlanEntry[]
    readonly findings: readonly GitFinding[]
  }
  /** What a commit was about to reserve when it was carried out last: nobody knows yet how far that went. */
  readonly begun?: readonly Begun[]
  /** A verdict that the provider was not told yet: it was away. */
  readonly owed?: { readonly commit: string; readonly verdict: Verdict }
  /** Why the last look at the repository came to nothing. */
  readonly trouble?: string
}

export type Begun = Pick<Tracked, 'subnet' | 'namespace' | 'podName' | 'file'>

export const NO_STATE: GitState = { tracked: [] }
