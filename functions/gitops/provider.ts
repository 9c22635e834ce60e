import type { GitFinding } from './desired.ts'

/** What a webhook says, as far as Berth cares. */
export type GitEvent =
  | {
      readonly kind: 'push'
      readonly project: string
      readonly branch: string
      readonly after: string
      /** Where the branch was until then. */
      readonly before?: string
    }
  | {
      readonly kind: 'pull'
      readonly project: string
      readonly number: number
      readonly head: string
      /** The branch it would go to. */
      readonly target: string
    }
  /** A ping, a deleted branch, a closed request: nothing to do. */
  | { readonly kind: 'other'; readonly project?: string }

/** Those there is something to do for. */
export type PushOrPull = Exclude<GitEvent, { kind: 'other' }>

/** How one provider's webhooks prove and read themselves. */
export interface GitSender {
  /** The header of the proof. */
  readonly proof: string
  /** Over the raw bytes, in constant time. */
  isFrom(secret: string, headers: Headers, raw: Uint8Array): Promise<boolean>
  /** Names the delivery; undefined where the header is missing or odd. */
  deliveryOf(headers: Headers): string | undefined
  /** Reads JSON of a good signature; undefined where it is not what it should be. */
  read(headers: Headers, json: unknown): GitEvent | undefined
}

export type Relation = 'same' | 'ahead' | 'behind' | 'diverged'

export interface Verdict {
  readonly state: 'success' | 'failure' | 'pending'
  /** One line. */
  readonly summary: string
  readonly findings: readonly GitFinding[]
}

/**
 * What is asked of a provider about one repository. Throws GitAway where it does not answer, and GitRefused where it
 * does and will not do better next time.
 */
export interface GitApi {
  /** The commit a branch is at. */
  head(branch: string): Promise<string>
  /** How `head` stands to `base`. */
  relation(base: string, head: string): Promise<Relation>
  /** Paths and blob ids of a commit's files. */
  tree(
    commit: string,
  ): Promise<readonly { readonly path: string; readonly blob: string; readonly bytes?: number }[]>
  /** A file's bytes. */
  blob(id: string): Promise<Uint8Array>
  /** Shows the verdict at the commit. */
  report(commit: string, verdict: Verdict): Promise<void>
  /** The one comment of ours at a pull or merge request, made or changed. */
  comment(number: number, marker: string, body: string): Promise<void>
}

export class GitAway extends Error {}
export class GitRefused extends Error {
  /** Of the answer, where there was one. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

/** A full commit or blob id: SHA-1 or SHA-256. */
export const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
/** What a deleted branch is at. */
export const NOWHERE = /^0+$/
