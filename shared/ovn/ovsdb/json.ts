/** JSON as OVSDB speaks it: integers are 64 bits wide (RFC 7047 §3.1), so those beyond 2^53 are bigints here. */
export type Json = string | number | bigint | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

/** V8's, not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

const INTEGER = /^-?\d+$/

/** Throws SyntaxError. `wide`: integers of 16 digits or more may occur, and are kept exact at some cost. */
export function parseJson(text: string, wide: boolean): Json {
  if (!wide) return JSON.parse(text)
  return JSON.parse(text, ((_name: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value
    return INTEGER.test(source) ? BigInt(source) : value
  }) as (name: string, value: unknown) => unknown)
}

/** Compact JSON, bigints in full digits. */
export function jsonText(value: Json): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'bigint' ? rawJSON(part.toString()) : part,
  )
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** The member of that name; never one that JavaScript brings along. */
export function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
