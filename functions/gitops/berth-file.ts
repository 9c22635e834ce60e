import { z } from 'zod'
import type { Finding } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { parseYaml } from '../body/yaml.ts'
import { check } from '../schema/findings.ts'

/** Where the settings of a repository stand in it. */
export const BERTH_FILE = 'berth.yaml'

const folder = z
  .string()
  .transform((text) => text.replace(/^\.?\/+|\/+$/g, '').replace(/^\.$/, ''))
  .refine((text) => !text.split('/').includes('..'), { error: 'must lie inside the repository' })

const percent = z
  .union([
    z.int().min(0).max(100),
    z.string().regex(/^(?:\d|[1-9]\d|100) ?%$/, { error: 'must be a percentage' }),
  ])
  .transform((value) => (typeof value === 'number' ? value : Number.parseInt(value, 10)))

const schema = z.strictObject({
  /** Folder of the manifests; the whole repository where it is empty. */
  folder: folder.default(''),
  /** Whether taking a manifest out releases what it reserved. */
  prune: z.boolean().default(false),
  /** namespace/name, with * for any part of it; never released from here. */
  protect: z
    .array(z.string().regex(/^[a-z0-9.*/-]{1,320}$/, { error: 'must be namespace/name, with * in it' }))
    .default([]),
  /** Percentage of what is kept that one commit may release. One may always go. */
  threshold: percent.default(20),
})

export type BerthFile = z.output<typeof schema>

export const DEFAULTS: BerthFile = schema.parse({})

/** Reads berth.yaml; a fault in it stops everything, for it says what may be released. */
export function readBerthFile(text: string): Result<BerthFile, readonly Finding[]> {
  const documents = parseYaml(text)
  if (!documents.ok) return err([{ code: documents.error.code, message: documents.error.detail }])
  if (documents.value.length > 1) return err([{ code: 'malformed', message: 'one document is enough' }])
  return documents.value.length === 0 ? ok(DEFAULTS) : check(schema, documents.value[0])
}

/** Whether an owner, as namespace/name, is one that may not be released from Git. */
export function isProtected({ protect }: BerthFile, owner: string): boolean {
  return protect.some((pattern) => matches(pattern.split('*'), owner))
}

/** Greedy from the left, the last part at the end: linear, unlike a pattern with several stars. */
function matches([first = '', ...rest]: readonly string[], text: string): boolean {
  if (rest.length === 0) return text === first
  if (!text.startsWith(first)) return false
  const last = rest.at(-1) ?? ''
  let at = first.length
  for (const part of rest.slice(0, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
