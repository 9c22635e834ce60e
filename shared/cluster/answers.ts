/** Whose request a key stands for. */
export interface KeyedRequest {
  readonly tenant: string
  readonly key: string
  /** SHA-256 of the request. */
  readonly hash: string
}

/** What a key says already. */
export type Claim =
  /** Nothing: the caller is the one to carry the request out. */
  | { readonly kind: 'mine' }
  /** The caller of the same request is still at it. */
  | { readonly kind: 'running' }
  | { readonly kind: 'answered'; readonly answer: string }
  /** It is another request's. */
  | { readonly kind: 'mismatch' }

/** Idempotency keys of writes that no ledger sees: Subnets, pools and owners of the embedded cluster. Kept 24 h. */
export interface AnswersPort {
  claim(request: KeyedRequest): Promise<Claim>
  /**
   * Keeps the final answer of a claimed request, or gives the key back.
   * @returns the answer that counts: one that was kept before stays
   */
  keep(request: KeyedRequest, answer: string | undefined): Promise<string | undefined>
}
