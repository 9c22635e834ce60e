/** What wrangler.toml says, as far as a runtime without wrangler must know it. */
export interface WorkerSettings {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  readonly vars: Readonly<Record<string, string>>
  /** Exported classes that are Durable Objects. */
  readonly objects: readonly string[]
  readonly assets?: { readonly directory: string; readonly binding?: string; readonly workerFirst: boolean }
}

/** The few keys of wrangler.toml that matter here, in the plain form this project writes them in. */
export function readSettings(toml: string): WorkerSettings {
  const sections = new Map<string, Map<string, string>>()
  let section = new Map<string, string>()
  sections.set('', section)
  for (const line of toml.split('\n')) {
    const header = /^\s*\[+([^\]]+)\]+\s*$/.exec(line)?.[1]
    if (header) {
      section = new Map()
      sections.set(header.trim(), section)
      continue
    }
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.+?)\s*$/.exec(line) ?? []
    if (key && value) section.set(key, value)
  }
  const text = (from: string, key: string): string | undefined => {
    const value = sections.get(from)?.get(key)
    return value?.startsWith('"') ? (JSON.parse(value) as string) : value
  }
  const compatibilityDate = text('', 'compatibility_date')
  if (!compatibilityDate) throw new Error('wrangler.toml names no compatibility_date')
  const vars = [...(sections.get('vars')?.keys() ?? [])].map((key) => [key, text('vars', key) ?? ''])
  const objects = [...sections.keys()].flatMap((name) =>
    name.startsWith('exports.') && text(name, 'type') === 'durable-object' ? [name.slice(8)] : [],
  )
  const directory = text('assets', 'directory')
  const binding = text('assets', 'binding')
  const workerFirst = text('assets', 'run_worker_first') === 'true'
  return {
    compatibilityDate,
    compatibilityFlags: JSON.parse(text('', 'compatibility_flags') ?? '[]') as string[],
    vars: Object.fromEntries(vars) as Record<string, string>,
    objects,
    ...(directory ? { assets: { directory, workerFirst, ...(binding ? { binding } : {}) } } : {}),
  }
}
