/** JSON values and the three things the store does with them. Keys such as `__proto__` are plain data everywhere here. */
export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json
}

/** Deeper values are refused: what recurses over them must not meet the end of the stack. */
export const MAX_DEPTH_LEVELS = 64

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A deep copy that is JSON and nothing else (undefined members dropped), or undefined if `value` cannot be written as
 * JSON (bigint, a cycle) or nests deeper than MAX_DEPTH_LEVELS.
 */
export function jsonCopy(value: unknown): Json | undefined {
  const copy = plainCopy(value, MAX_DEPTH_LEVELS)
  return copy === undefined ? jsonCopyByText(value) : copy
}

/** The usual case in one walk; undefined for anything that is not plain JSON of bearable depth. */
function plainCopy(value: unknown, levels: number): Json | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'object' || levels === 0) return undefined
  if (Array.isArray(value)) {
    const items: Json[] = []
    for (const item of value) {
      const copy = plainCopy(item, levels - 1)
      if (copy === undefined) return undefined
      items.push(copy)
    }
    return items
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined
  const object: JsonObject = {}
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue
    const copy = key === '__proto__' ? undefined : plainCopy(member, levels - 1)
    if (copy === undefined) return undefined
    object[key] = copy
  }
  return object
}

function jsonCopyByText(value: unknown): Json | undefined {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined
    throw error
  }
  if (text === undefined) return undefined
  const copy = JSON.parse(text) as Json
  return nestsDeeper(copy, MAX_DEPTH_LEVELS) ? undefined : copy
}

function nestsDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => nestsDeeper(member, levels - 1))
}

/** JSON merge patch, RFC 7396 §2: null removes a member, objects merge, everything else (lists too) replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch
  const members = new Map(isJsonObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) members.delete(key)
    else members.set(key, mergePatch(members.get(key), value))
  }
  // Object.fromEntries defines own properties, so `__proto__` stays a key.
  return Object.fromEntries(members)
}

/** Equal as JSON: the order of members does not count, the order of list items does. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  )
}
