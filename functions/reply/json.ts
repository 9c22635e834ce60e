import type { DoorContext } from '../door.ts'

/** V8's JSON.rawJSON, not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** JSON in which BigInt counters are numbers written in full digits, as Kube-OVN writes them (pkg/internal/big_int.go). */
export function writeJson(value: unknown): string {
  try {
    // Without a replacer V8 is several times as fast, and few replies hold a counter.
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return JSON.stringify(value, (_name, part: unknown) =>
      typeof part === 'bigint' ? rawJSON(part.toString()) : part,
    )
  }
}

/** A JSON reply. */
export function replyJson(
  c: DoorContext,
  value: unknown,
  status: 200 | 201 | 202 | 503 = 200,
  headers: Record<string, string> = {},
): Response {
  return c.body(`${writeJson(value)}\n`, status, { 'Content-Type': 'application/json', ...headers })
}
