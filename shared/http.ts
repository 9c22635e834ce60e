/**
 * HTTP as the core sees it: one Request in, one Response out. Rejects when there is no whole head of a reply
 * (unreachable, reset, aborted by the Request's signal); reading the body may reject later for the same reasons.
 * A status is never an error here. Whoever sends decides about redirects, time limits and size.
 */
export interface Http {
  readonly fetch: (request: Request) => Promise<Response>
}
