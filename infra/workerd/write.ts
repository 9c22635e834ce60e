import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { type ConfigOptions, workerdConfig } from './config.ts'

/** Writes the configuration and what it embeds beside it into `configFolder`; returns the configuration's path. */
export function writeConfig(options: ConfigOptions): string {
  mkdirSync(options.configFolder, { recursive: true })
  const path = join(options.configFolder, 'berth.capnp')
  if (options.bundle.settings.assets) {
    const source = readFileSync(join(import.meta.dirname, 'assets-worker.ts'), 'utf8')
    writeFileSync(join(options.configFolder, 'assets-worker.js'), stripTypeScriptTypes(source))
  }
  // Variables may be secret.
  writeFileSync(path, workerdConfig(options), { mode: 0o600 })
  return path
}
