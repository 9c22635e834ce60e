import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { Bundle } from '../../../infra/workerd/bundle.ts'
import { readSettings } from '../../../infra/workerd/settings.ts'

/** The bare Worker as a bundle in `folder`, with Berth's own compatibility date and object classes. */
export function bareBundle(folder: string): Bundle {
  const source = readFileSync(join(import.meta.dirname, 'worker.ts'), 'utf8')
  const toml = readFileSync(join(import.meta.dirname, '../../../wrangler.toml'), 'utf8')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'index.js'), stripTypeScriptTypes(source))
  const { assets: _none, ...settings } = readSettings(toml)
  return { folder, modules: ['index.js'], settings }
}
