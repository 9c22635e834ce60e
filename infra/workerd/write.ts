import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConfigOptions, workerdConfig } from './config.ts'

/** Writes the configuration and what it embeds beside it into `configFolder`; returns the configuration's path. */
export function writeConfig(options: ConfigOptions): string {
  mkdirSync(options.configFolder, { recursive: true })
  const path = join(options.configFolder, 'berth.capnp')
  if (options.bundle.settings.assets) {
    copyFileSync(
      join(import.meta.dirname, 'assets-worker.js'),
      join(options.configFolder, 'assets-worker.js'),
    )
  }
  // Variables may be secret.
  writeFileSync(path, workerdConfig(options), { mode: 0o600 })
  return path
}
