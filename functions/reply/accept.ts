import { problem } from '../../shared/problem.ts'
import type { DoorMiddleware } from '../door.ts'
import { refuse } from './problem.ts'

export type Representation = 'json' | 'yaml' | 'zone' | 'csv' | 'jsonl'

const MEDIA_TYPES: Readonly<Record<Representation, readonly string[]>> = {
  json: ['application/json'],
  yaml: ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'],
  // RFC 4027
  zone: ['text/dns', 'text/plain'],
  csv: ['text/csv'],
  jsonl: ['application/x-ndjson', 'application/jsonl'],
}

export interface Choice {
  readonly representation: Representation
  readonly mediaType: string
}

/**
 * The representation an Accept header asks for, of those on offer (RFC 9110 §12.5.1): highest weight, then the most
 * exact range, then the order of the offers. `undefined` if none will do.
 */
export function chooseRepresentation(
  header: string | undefined,
  offers: readonly Representation[],
): Choice | undefined {
  const ranges = header === undefined ? [{ type: '*/*', weight: 1 }] : header.split(',').flatMap(readRange)
  let best: (Choice & { readonly rank: readonly [number, number] }) | undefined
  for (const representation of offers) {
    for (const mediaType of MEDIA_TYPES[representation]) {
      const rank = rankOf(mediaType, ranges)
      if (rank[0] === 0) continue
      if (!best || rank[0] > best.rank[0] || (rank[0] === best.rank[0] && rank[1] > best.rank[1]))
        best = { representation, mediaType, rank }
    }
  }
  return best
}

interface Range {
  readonly type: string
  readonly weight: number
}

function readRange(text: string): Range[] {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  if (!/^(?:\*\/\*|[\w.+-]+\/(?:\*|[\w.+-]+))$/.test(type)) return []
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  if (quality === undefined) return [{ type, weight: 1 }]
  // `.2` is no qvalue, but Java's HttpURLConnection sends `*/*; q=.2` with every request.
  return /^(?:0?\.\d{1,3}|0\.?|1(?:\.0{0,3})?)$/.test(quality) ? [{ type, weight: Number(quality) }] : []
}

/** Weight and exactness of the most exact range that covers the type. */
function rankOf(mediaType: string, ranges: readonly Range[]): readonly [number, number] {
  const family = `${mediaType.split('/')[0]}/*`
  for (const [exactness, type] of [mediaType, family, '*/*'].entries()) {
    const range = ranges.find((candidate) => candidate.type === type)
    if (range) return [range.weight, 2 - exactness]
  }
  return [0, 0]
}

/**
 * Refuses with 406 before anything else is read, or notes what to answer with.
 *
 * @example
 * app.get('/v1/reservations', accepts('json', 'yaml'), handler)
 */
export function accepts(...offers: readonly [Representation, ...Representation[]]): DoorMiddleware {
  const preferred = chooseRepresentation(undefined, offers)
  return async function accepts(c, next) {
    const header = c.req.header('Accept')
    const choice =
      header === undefined || header === '*/*'
        ? preferred
        : chooseRepresentation(header.slice(0, 4096), offers)
    if (!choice) {
      const types = offers.flatMap((offer) => MEDIA_TYPES[offer].slice(0, 1)).join(' or ')
      return refuse(c, problem('not_acceptable', `this path answers with ${types}`, { field: 'Accept' }))
    }
    c.set('representation', choice.representation)
    c.set('mediaType', choice.mediaType)
    return next()
  }
}
