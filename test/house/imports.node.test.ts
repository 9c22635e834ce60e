import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importFaults, type Source } from './imports.ts'

const root = resolve(import.meta.dirname, '../..')

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(root, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }))
}

describe('imports point down only', () => {
  it('holds for every file of functions/ and shared/', () => {
    const sources = [...sourcesIn('functions'), ...sourcesIn('shared')]
    expect(sources.length).toBeGreaterThan(10)
    expect(importFaults(sources)).toEqual([])
  })
})

describe('the checker', () => {
  const faults = (path: string, text: string) => importFaults([{ path, text }])

  it.each([
    ['a door inside the core', 'shared/command/reserve.ts', "import { app } from '../../functions/index.ts'"],
    ['the ledger knows sagas', 'shared/ledger/store.ts', "import { reserve } from '../command/reserve.ts'"],
    ['ipam knows the ledger', 'shared/ipam/bitmap.ts', "import type { Row } from '../ledger/schema.ts'"],
    ['ipam knows a package', 'shared/ipam/mac.ts', "import { z } from 'zod'"],
    ['ledger knows the cluster', 'shared/ledger/store.ts', "import type { K } from '../cluster/port.ts'"],
    ['names know more than the port', 'shared/kube-ovn/a.ts', "import { k } from '../cluster/watch.ts'"],
    ['a leaf knows a part', 'shared/clock.ts', "import { x } from './ipam/types.ts'"],
    [
      'over several lines',
      'shared/ipam/a.ts',
      "import {\n  type Row,\n  rows,\n} from '../ledger/schema.ts'",
    ],
    ['re-exported', 'shared/ipam/a.ts', "export { row } from '../ledger/schema.ts'"],
    ['dynamic', 'shared/ipam/a.ts', "const m = await import('../ledger/schema.ts')"],
    ['for its effect', 'shared/ipam/a.ts', "import '../ledger/schema.ts'"],
    ['in a type', 'shared/ipam/a.ts', "type T = import('../ledger/schema.ts').Row"],
    ['Hono in the core', 'shared/command/reserve.ts', "import { Hono } from 'hono'"],
    ['Hono plugin in the core', 'shared/command/a.ts', "import { z } from '@hono/zod-openapi'"],
    [
      'an adapter in a route',
      'functions/reserve.ts',
      "import { a } from '../shared/cluster/embedded/store.ts'",
    ],
    ['an adapter in a saga', 'shared/command/a.ts', "import { s } from '../ovn/ovsdb/session.ts'"],
    [
      'one adapter in another',
      'shared/cluster/embedded/a.ts',
      "import { s } from '../../ovn/ovsdb/session.ts'",
    ],
    ['the client knows the port', 'shared/ovn/ovsdb/a.ts', "import { N } from '../northbound.ts'"],
    ['sockets in the core', 'shared/command/a.ts', "import { connect } from 'cloudflare:sockets'"],
    ['tests in the core', 'shared/command/a.ts', "import { b } from '../../test/support/b.ts'"],
    ['no extension', 'shared/command/a.ts', "import { b } from './b'"],
  ])('refuses: %s', (_, path, text) => expect(faults(path, text)).toHaveLength(1))

  it.each([
    'const t = Date.now()',
    'const d = new Date()',
    'const d = new Date',
    'const r = Math.random()',
    'crypto.getRandomValues(bytes)',
    'const id = crypto.randomUUID()',
    'setTimeout(done, 1)',
    'globalThis.setInterval(done, 1)',
    "const r = await fetch('http://x')",
    "const r = await globalThis.fetch('http://x')",
    "const s = connect('h:1')",
    "console.log('x')",
  ])('refuses in the core: %s', (text) => expect(faults('shared/command/a.ts', text)).toHaveLength(1))

  it.each([
    ['functions/reserve.ts', "import { Hono } from 'hono'\nimport { r } from '../shared/command/reserve.ts'"],
    ['functions/env.ts', "import { a } from '../shared/cluster/kubernetes/client.ts'"],
    ['functions/objects/cluster.ts', "import { a } from '../../shared/cluster/embedded/store.ts'"],
    ['shared/command/a.ts', "import { l } from '../ledger/store.ts'\nimport { ok } from '../result.ts'"],
    ['shared/ledger/a.ts', "import { b } from '../ipam/bitmap.ts'"],
    ['shared/ovn/northbound.ts', "import { s } from './ovsdb/session.ts'"],
    ['shared/ipam/a.ts', "import ip from 'ipaddr.js'\nimport { b } from './b.ts'"],
    ['shared/kube-ovn/a.ts', "import type { KubeObject } from '../cluster/port.ts'"],
    ['shared/clock.ts', 'export const now = () => Date.now()'],
    ['shared/cluster/kubernetes/http.ts', 'const r = await fetch(request)'],
    ['shared/command/a.ts', '// Date.now() is not used: see clock\nconst text = "fetch(x)"'],
    ['shared/command/a.ts', 'const r = await http.fetch(request); const s = tcp.connect(host)'],
    ['shared/command/a.ts', 'const d = new Date(ms).toISOString()'],
  ])('accepts in %s: %s', (path, text) => expect(faults(path, text)).toEqual([]))
})
