import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(Boolean)

describe('the tree', () => {
  it('carries the licence it names', () => {
    expect(JSON.parse(read('package.json')).license).toBe('Apache-2.0')
    expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0, January 2004/)
    expect(read('LICENSE')).toContain('END OF TERMS AND CONDITIONS')
  })

  it('keeps a changelog with a place for what comes next', () => {
    expect(read('CHANGELOG.md')).toMatch(/^## \[Unreleased\]$/m)
  })

  it('pins every dependency to one version', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json'))
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)),
    )
    expect(loose).toEqual([])
  })

  it('has a lock file that fits package.json and names no place to fetch from', () => {
    const lock = JSON.parse(read('package-lock.json'))
    const manifest = JSON.parse(read('package.json'))
    expect(lock.packages[''].dependencies).toEqual(manifest.dependencies)
    expect(lock.packages[''].devDependencies).toEqual(manifest.devDependencies)
    const named = Object.entries<{ resolved?: string }>(lock.packages).filter(([, entry]) => entry.resolved)
    expect(named).toEqual([])
  })

  // npm leaves out what the registry at hand does not carry, and then `npm ci` refuses the lock file.
  it('locks the packages of every platform, not only of the one it was written on', () => {
    const lock: Record<string, { optionalDependencies?: Record<string, string> }> = JSON.parse(
      read('package-lock.json'),
    ).packages
    const isLocked = (from: string, name: string): boolean => {
      if (`${from ? `${from}/` : ''}node_modules/${name}` in lock) return true
      return from !== '' && isLocked(from.slice(0, Math.max(from.lastIndexOf('/node_modules/'), 0)), name)
    }
    const missing = Object.entries(lock).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => !isLocked(path, name))
        .map((name) => `${name} of ${path}`),
    )
    expect(missing).toEqual([])
  })

  it('names every package that may run an install script', () => {
    const lock = JSON.parse(read('package-lock.json'))
    const allowed = Object.keys(JSON.parse(read('package.json')).allowScripts)
    const running = Object.entries<{ hasInstallScript?: boolean; optional?: boolean }>(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript && !entry.optional)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
    expect(running.filter((name) => !allowed.includes(name))).toEqual([])
  })

  it('starts with what every file of its kind needs: scripts are executable', () => {
    const modes = execFileSync('git', ['ls-files', '-s', '.ci/run'], { cwd: root, encoding: 'utf8' })
    expect(modes).toMatch(/^100755 /)
  })

  it('names no machine: no home folders, no registry hosts', () => {
    expect(tracked.length).toBeGreaterThan(30)
    // Put together here, so that this file does not name them either.
    const folders = ['work', 'home', 'root', 'Users'].map((name) => `/${name}/[\\w.-]+/`)
    const hosts = ['registry\\.npmjs', 'registry\\.yarnpkg', 'npm\\.pkg', 'artifactory', 'verdaccio']
    const pattern = new RegExp(
      `(?<![\\w.:/-])(?:${folders.join('|')})|${hosts.map((h) => `${h}\\b`).join('|')}`,
    )
    const faults = tracked
      .filter((path) => path !== 'test/house/tree.node.test.ts' && !/\.(gz|png|woff2|ico)$/.test(path))
      .flatMap((path) =>
        readText(path)
          .split('\n')
          .flatMap((line, index) =>
            pattern.test(line) ? [`${path}:${index + 1} ${line.trim().slice(0, 120)}`] : [],
          ),
      )
    expect(faults).toEqual([])
  })
})

/** Tracked files may be missing for a moment while they are moved. */
function readText(path: string): string {
  try {
    return read(path)
  } catch {
    return ''
  }
}
