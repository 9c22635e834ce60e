/** The arrows of architecture.md ("Imports point down only") and the ports' rule, as a checker over sources. */

export interface Source {
  /** From the repository's root, with slashes. */
  readonly path: string
  readonly text: string
}

/** Small files with no knowledge of their own: everybody may import them, they may import one another. */
const LEAVES = new Set([
  'shared/result.ts',
  'shared/clock.ts',
  'shared/elapsed.ts',
  'shared/elapsed-clock.ts',
  'shared/http.ts',
  'shared/tcp.ts',
  'shared/random.ts',
  'shared/log.ts',
  'shared/problem.ts',
  'shared/sql.ts',
])

type Part =
  | 'functions'
  | 'access'
  | 'hooks'
  | 'events'
  | 'command'
  | 'ledger'
  | 'cluster'
  | 'ovn'
  | 'kube-ovn'
  | 'ipam'
  | 'spaces'
  | 'leaf'
  | 'adapter'
  | 'elsewhere'

/** What fulfils a port and so knows a transport. Only the composition root, the objects and tests may import these. */
const ADAPTERS = [
  'shared/cluster/kubernetes/',
  'shared/cluster/embedded/',
  'shared/ovn/ovsdb/',
  'shared/ovn/northbound',
  'shared/ovn/none.ts',
]

const MIDDLE: readonly Part[] = ['ledger', 'cluster', 'ovn', 'kube-ovn']

/**
 * Which parts each part may import, besides itself and the leaves. Between the four in the middle there are two
 * arrows only: the ledger knows Kube-OVN's names, and what Kube-OVN writes has the form of the cluster's objects.
 */
const ARROWS: Readonly<Record<Part, readonly Part[]>> = {
  functions: ['access', 'hooks', 'events', 'command', ...MIDDLE, 'ipam', 'spaces'],
  access: [],
  hooks: [],
  events: [],
  command: [...MIDDLE, 'ipam', 'spaces'],
  ledger: ['ipam', 'kube-ovn', 'spaces'],
  spaces: ['ipam'],
  cluster: ['ipam'],
  ovn: ['ipam'],
  'kube-ovn': ['ipam'],
  ipam: [],
  leaf: [],
  adapter: ['access', ...MIDDLE, 'ipam'],
  elsewhere: [],
}

/** Packages that only some parts may know. Others are free, but shared/ipam knows none but ipaddr.js. */
const PACKAGE_HOMES: readonly { readonly name: RegExp; readonly allowed: (path: string) => boolean }[] = [
  { name: /^(hono|@hono\/.+)(\/|$)/, allowed: (path) => path.startsWith('functions/') },
  {
    name: /^cloudflare:sockets$/,
    allowed: (path) => path === 'functions/env.ts' || isAdapter(path),
  },
  { name: /^cloudflare:workers$/, allowed: (path) => path.startsWith('functions/') },
  {
    name: /^@kubernetes\/client-node(\/|$)/,
    allowed: (path) => path.startsWith('shared/cluster/kubernetes/'),
  },
]

/** Where time, chance and the network may be touched. */
const EFFECT_HOMES = new Set(['shared/clock.ts', 'shared/tcp.ts', 'shared/random.ts', 'shared/log.ts'])

const EFFECTS: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: 'Date.now', pattern: /\bDate\s*\.\s*now\b/ },
  { what: 'new Date()', pattern: /\bnew\s+Date\s*(\(\s*\)|(?!\s*\())/ },
  { what: 'performance.now', pattern: /\bperformance\s*\.\s*now\b/ },
  { what: 'Math.random', pattern: /\bMath\s*\.\s*random\b/ },
  { what: 'crypto.getRandomValues', pattern: /\bgetRandomValues\b/ },
  { what: 'crypto.randomUUID', pattern: /\brandomUUID\b/ },
  { what: 'setTimeout', pattern: /\bsetTimeout\b/ },
  { what: 'setInterval', pattern: /\bsetInterval\b/ },
  { what: 'fetch(', pattern: /(?<![.\w])(?:globalThis\s*\.\s*)?fetch\s*\(/ },
  { what: 'connect(', pattern: /(?<![.\w])connect\s*\(/ },
  { what: 'console', pattern: /\bconsole\s*\./ },
]

/** Every broken rule, one line each; empty when the house is in order. */
export function importFaults(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => [...arrowFaults(source), ...effectFaults(source)])
}

function arrowFaults(source: Source): string[] {
  const { path } = source
  const from = partOf(path)
  return importsOf(source.text).flatMap((name) => {
    const fault = (why: string) => [`${path} imports ${name}: ${why}`]
    if (!name.startsWith('.')) {
      const home = PACKAGE_HOMES.find((entry) => entry.name.test(name))
      if (home && !home.allowed(path)) return fault('this package does not belong there')
      if (from === 'ipam' && name !== 'ipaddr.js') return fault('shared/ipam knows no package but ipaddr.js')
      if (from === 'leaf') return fault('a leaf knows no package')
      return []
    }
    if (!/\.(ts|json)$/.test(name)) return fault('relative imports carry their extension')
    const target = resolvePath(path, name)
    const to = partOf(target)
    if (to === 'elsewhere') return fault('outside functions/ and shared/')
    if (to === 'adapter' && !sameAdapter(path, target) && !mayImportAdapters(path)) {
      return fault('adapters are imported by functions/env.ts, functions/objects/ and tests only')
    }
    if (to === 'leaf' || to === from || (to === 'adapter' && from !== 'leaf')) return []
    if (from === 'kube-ovn' && target === 'shared/cluster/port.ts') return []
    return ARROWS[from].includes(to) ? [] : fault(`no arrow from ${from} to ${to}`)
  })
}

function effectFaults(source: Source): string[] {
  const { path } = source
  if (!path.startsWith('shared/') || EFFECT_HOMES.has(path) || isAdapter(path)) return []
  return code(source.text)
    .split('\n')
    .flatMap((line, index) =>
      EFFECTS.filter((effect) => effect.pattern.test(line)).map(
        (effect) => `${path}:${index + 1} uses ${effect.what}: take a port as an argument`,
      ),
    )
}

function partOf(path: string): Part {
  if (LEAVES.has(path)) return 'leaf'
  if (isAdapter(path)) return 'adapter'
  if (path.startsWith('functions/')) return 'functions'
  const folder = /^shared\/(access|hooks|events|command|ledger|cluster|ovn|kube-ovn|ipam|spaces)\//.exec(
    path,
  )?.[1]
  return (folder as Part | undefined) ?? 'elsewhere'
}

const isAdapter = (path: string) => ADAPTERS.some((prefix) => path.startsWith(prefix))

const sameAdapter = (a: string, b: string) =>
  ADAPTERS.some((prefix) => a.startsWith(prefix) && b.startsWith(prefix)) ||
  // The Northbound port is written in terms of the OVSDB client, not the other way round.
  (a.startsWith('shared/ovn/northbound') && b.startsWith('shared/ovn/ovsdb/'))

const mayImportAdapters = (path: string) =>
  path === 'functions/env.ts' || path.startsWith('functions/objects/') || path.startsWith('test/')

/** All module names a source names: static, re-exported, dynamic, and in types. */
function importsOf(text: string): string[] {
  const source = code(text, true)
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g,
  ]
  return patterns.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1] ?? ''))
}

/** The text without comments (and, unless kept, without what stands in quotes), with its line numbers unchanged. */
function code(text: string, keepStrings = false): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\$]|\$(?!\{))*`/g,
    (match) => (keepStrings && !match.startsWith('/') ? match : match.replace(/[^\n]/g, ' ')),
  )
}

function resolvePath(from: string, name: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const step of name.split('/')) {
    if (step === '..') parts.pop()
    else if (step !== '.') parts.push(step)
  }
  return parts.join('/')
}
