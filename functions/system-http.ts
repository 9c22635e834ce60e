import type { Http } from '../shared/http.ts'

/** The runtime's fetch. Only composition roots name it. */
export const systemHttp: Http = { fetch: (request) => fetch(request) }
