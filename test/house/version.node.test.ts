import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { VERSION } from '../../functions/version.ts'

it('is said once: package.json and functions/version.ts agree', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  expect(VERSION).toBe(manifest.version)
})
