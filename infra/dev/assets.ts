/**
 * Lays out what the Worker serves from disk: the files of Swagger UI that /docs loads, from the pinned npm package,
 * into dist/assets (wrangler.toml, [assets]). Nothing comes from another host. Run by `npm start` and before tests.
 */
import { copyFileSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The names functions/docs.ts asks for, and the licence that goes with them. */
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png', 'LICENSE', 'NOTICE']

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const source = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
const target = join(root, 'dist/assets')

mkdirSync(target, { recursive: true })
for (const file of FILES) copyFileSync(join(source, file), join(target, file))
