import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { Bundle } from '../../infra/workerd/bundle.ts'
import { readSettings } from '../../infra/workerd/settings.ts'

/** The Worker of ./floor-worker.ts as a bundle in `folder`, with Berth's compatibility date. */
export function floorBundle(folder: string): Bundle {
  const source = readFileSync(join(import.meta.dirname, 'floor-worker.ts'), 'utf8')
  const toml = readFileSync(join(import.meta.dirname, '../../wrangler.toml'), 'utf8')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'index.js'), stripTypeScriptTypes(source))
  const { assets: _none, ...settings } = readSettings(toml)
  return { folder, modules: ['index.js'], settings: { ...settings, objects: ['Subnet'] } }
}
