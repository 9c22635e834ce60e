import type { PatchOperation } from './types.ts'

/**
 * The operations that give `before` everything `after` has (RFC 6902): additions and replacements, never removals, so
 * what others wrote stays. Lists are values. Equal members cost nothing, so a complete object gets an empty patch.
 */
export function completing(before: object, after: object): PatchOperation[] {
  return members(before as Fields, after as Fields, '')
}

type Fields = Readonly<Record<string, unknown>>

function members(before: Fields, after: Fields, at: string): PatchOperation[] {
  return Object.entries(after).flatMap(([name, value]): PatchOperation[] => {
    if (value === undefined) return []
    const path = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!Object.hasOwn(before, name)) return [{ op: 'add', path, value }]
    const present = before[name]
    if (isFields(present) && isFields(value)) return members(present, value, path)
    return isSame(present, value) ? [] : [{ op: 'replace', path, value }]
  })
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]))
  }
  return a === b
}
