import type { z } from 'zod'

/** A variable as the runtime hands it on; plain workerd makes null of what is not set. */
export type Variable = string | null | undefined

/** JSON of a variable; what the parser complains of may quote the value, so it is not repeated. */
export function jsonOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${name} is not JSON`)
  }
}

/**
 * The list in a variable, empty where there is none.
 * @throws Error that names the variable, the entry (the first is 1) and the field
 */
export function listOf<T>(variable: string, schema: z.ZodType<T[]>, text: Variable): readonly T[] {
  const read = schema.safeParse(text ? jsonOf(variable, text) : [])
  if (read.success) return read.data
  const [issue] = read.error.issues
  const [index, ...field] = issue?.path ?? []
  const where = typeof index === 'number' ? [`entry ${index + 1}`, field.join('.')] : ['the value']
  throw new Error(`${variable}: ${where.filter((part) => part !== '').join(', ')} ${issue?.message}`)
}
