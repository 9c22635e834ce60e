import { describe, expect, it } from 'vitest'
import { DEFAULTS, isProtected, readBerthFile } from '../../functions/gitops/berth-file.ts'
import { keyOf, readDesired } from '../../functions/gitops/desired.ts'
import { described } from '../../functions/gitops/github.ts'
import { planOf, type Tracked } from '../../functions/gitops/plan.ts'
import { code, commentOf } from '../../functions/gitops/words.ts'
import type { Reservation } from '../../shared/command/types.ts'
import { granted } from '../support/fake-berth.ts'

const manifest = (podName: string, spec = '', namespace = 'shop') => `apiVersion: kubeovn.io/v1
kind: IP
metadata:
  name: ${podName}.${namespace}
spec:
  subnet: blue
  namespace: ${namespace}
  podName: ${podName}
${spec}`

const wishes = (text: string, path = 'ips/a.yaml') => readDesired([{ path, text }])
const there = (podName: string, more: Partial<Reservation> = {}): Reservation => ({
  ...granted({ subnet: 'blue', namespace: 'shop', podName, podType: '' }),
  id: `res_${podName}`,
  ...more,
})
const actual = (...all: Reservation[]) =>
  new Map(
    all.map((one) => [
      keyOf({ subnet: one.subnet, namespace: one.owner.namespace, podName: one.owner.name }),
      one,
    ]),
  )
const tracked = (podName: string, more: Partial<Tracked> = {}): Tracked => ({
  subnet: 'blue',
  namespace: 'shop',
  podName,
  name: `${podName}.shop`,
  id: `res_${podName}`,
  file: `ips/${podName}.yaml`,
  ...more,
})

describe('files', () => {
  it('give one wish for each IP, with its lines', () => {
    const { desired, findings } = wishes(
      `# two\n---\n${manifest('a')}\n---\n\n---\n${manifest('b', '  v4IpAddress: 10.0.0.9')}`,
    )
    expect(findings).toEqual([])
    expect(desired.map(({ key, line }) => [key, line])).toEqual([
      ['blue/shop/a', 3],
      ['blue/shop/b', 15],
    ])
    expect(desired[1]?.lineOf('v4IpAddress')).toBe(23)
    expect(desired[1]?.lineOf('name')).toBe(18)
    expect(desired[1]?.lineOf('macAddress')).toBe(20)
  })

  // Fault 71: an error with its place, or a string that stays one.
  it.each<[string, string, number, RegExp]>([
    ['a name twice', `${manifest('a')}  podName: b\n`, 9, /twice/],
    ['a merge key', `x: &x {a: 1}\n${manifest('a').replace('spec:', 'spec:\n  <<: *x')}`, 7, /merge/],
    ['a tag of its own', manifest('a', '  v4IpAddress: !ip 10.0.0.1'), 9, /tag/],
    ['an alias in a name', manifest('a', '  ? *x\n  : 1'), 9, /./],
    ['a tab', manifest('a', '\tv4IpAddress: 10.0.0.1'), 9, /./],
    ['no instead of a name', manifest('a').replace('podName: a', 'podName: 0o17'), 8, /string/],
    ['an address that is none', manifest('a', '  v4IpAddress: [1]'), 9, /string/],
    ['a second document that is none', `${manifest('a')}\n---\njust words`, 1, /object/],
    ['the same owner twice', `${manifest('a')}\n---\n${manifest('a')}`, 18, /same owner as ips\/a.yaml:1/],
    ['a path for a Subnet', manifest('a').replace('blue', '../../x'), 6, /DNS-1123/],
  ])('%s is an error at its line', (_, text, line, message) => {
    const [found] = wishes(text).findings.filter(({ level }) => level === 'error')
    expect(found).toMatchObject({ file: 'ips/a.yaml', line, message: expect.stringMatching(message) })
  })

  it.each([
    ['no', "'no'"],
    ['1:30', '1:30'],
  ])('%s stays a string', (value, written) => {
    const { desired, findings } = wishes(manifest('a', `  ipPool: ${written}`))
    // A pool may not be called 1:30; that it is told so shows that it was read as it was written.
    expect(desired[0]?.item.ipPool ?? findings[0]?.message).toContain(value === 'no' ? 'no' : 'ipPool')
  })

  it('leave other kinds alone, and Object.prototype too', () => {
    const { desired, findings } = wishes(`kind: ConfigMap\napiVersion: v1\n---\n${manifest('constructor')}`)
    expect(desired.map(({ key }) => key)).toEqual(['blue/shop/constructor'])
    expect(findings).toMatchObject([{ level: 'warning', line: 1 }])
    expect(wishes('__proto__: {}\n').findings).toMatchObject([{ level: 'error' }])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('the plan', () => {
  const PRUNE = { ...DEFAULTS, prune: true, threshold: 100 }
  const plan = (text: string, more: Partial<Parameters<typeof planOf>[0]> = {}) => {
    const all = planOf({
      desired: wishes(text).desired,
      tracked: [],
      actual: actual(),
      settings: DEFAULTS,
      ...more,
    })
    return { ...all, actions: all.entries.map(({ action, podName }) => `${action} ${podName}`) }
  }

  it('reserves what is not there', () => expect(plan(manifest('a')).actions).toEqual(['reserve a']))

  it('leaves what is as asked for', () => {
    const asked = manifest('a', '  v4IpAddress: 10.16.0.10\n  macAddress: 00:00:00:4D:B4:36')
    expect(plan(asked, { actual: actual(there('a')) })).toMatchObject({
      actions: ['unchanged a'],
      findings: [],
    })
  })

  it.each([
    ['v4IpAddress', '  v4IpAddress: 10.16.0.11', {}, 9],
    ['v6IpAddress', '  v6IpAddress: fd00::1', {}, 9],
    ['macAddress', '  macAddress: 00:00:00:00:00:01', {}, 9],
    ['podType', '  podType: VirtualMachine', {}, 9],
  ])('refuses another %s, at its line', (field, spec, _, line) => {
    const refused = plan(manifest('a', spec), { actual: actual(there('a')) })
    expect(refused.actions).toEqual(['refuse a'])
    expect(refused.findings).toMatchObject([
      { level: 'error', file: 'ips/a.yaml', line, message: expect.stringContaining(field) },
    ])
  })

  const gone = { tracked: [tracked('a'), tracked('b')], actual: actual(there('a'), there('b')) }
  it('keeps what is not asked for any more, unless prune is on', () => {
    expect(plan(manifest('a'), gone).actions).toEqual(['unchanged a', 'keep b'])
    expect(plan(manifest('a'), { ...gone, settings: PRUNE }).actions).toEqual(['unchanged a', 'release b'])
  })

  it('keeps the protected, and what was made by somebody else', () => {
    expect(plan(manifest('a'), { ...gone, settings: { ...PRUNE, protect: ['shop/*'] } }).actions).toContain(
      'keep b',
    )
    const other = actual(there('a'), there('b', { id: 'res_other' }))
    expect(plan(manifest('a'), { ...gone, actual: other, settings: PRUNE }).actions).toContain('keep b')
    expect(plan(manifest('a'), { ...gone, actual: actual(there('a')), settings: PRUNE }).actions).toContain(
      'gone b',
    )
  })

  const names = 'abcdefghij'.split('')
  const ten = {
    tracked: names.map((name) => tracked(name)),
    actual: actual(...names.map((name) => there(name))),
  }
  it.each<[number, number, string]>([
    [1, 20, 'release'],
    [2, 20, 'release'],
    [3, 20, 'keep'],
    [10, 20, 'keep'],
    [1, 0, 'release'],
    [2, 0, 'keep'],
    [10, 100, 'release'],
  ])('%i of 10 gone at a threshold of %i %% are to %s', (missing, threshold, action) => {
    const left = names.slice(missing).map((name) => manifest(name))
    const text = left.length === 0 ? '' : left.join('\n---\n')
    const removed = plan(text, { ...ten, settings: { ...PRUNE, threshold } })
    expect(removed.entries.filter((entry) => entry.action === action)).toHaveLength(missing)
    expect(removed.findings.filter(({ level }) => level === 'error')).toHaveLength(action === 'keep' ? 1 : 0)
  })

  it('tells what was changed outside Git', () => {
    const drifted = {
      tracked: names.slice(0, 5).map((name) => tracked(name)),
      actual: actual(
        there('b', { id: 'other' }),
        there('c', { state: 'stranded' }),
        there('d', { contested: true }),
        there('e'),
      ),
    }
    expect(plan(manifest('e'), drifted).drift).toEqual([
      'shop/a in blue was released outside Git',
      'shop/b in blue was released and reserved again outside Git',
      'shop/c in blue is stranded',
      'shop/d in blue is contested',
    ])
  })
})

describe('berth.yaml', () => {
  it.each<[string, object]>([
    ['', DEFAULTS],
    ['folder: ./ips/', { folder: 'ips' }],
    ['folder: .', { folder: '' }],
    ['prune: true\nthreshold: 50%', { prune: true, threshold: 50 }],
    ['threshold: 5', { threshold: 5 }],
  ])('%j', (text, wanted) => expect(readBerthFile(text)).toMatchObject({ ok: true, value: wanted }))

  it.each([
    'folder: ../x',
    'threshold: 101',
    'threshold: -1',
    'prune: "yes"',
    'prune: yes',
    'purge: true',
    '- a',
    'protect: ["a b"]',
    'a: 1\na: 2',
  ])('is refused: %s', (text) => expect(readBerthFile(text).ok).toBe(false))

  it.each([
    ['shop/db', 'shop/db', true],
    ['shop/*', 'shop/db', true],
    ['shop/*', 'shopping/db', false],
    ['*/db-*', 'shop/db-0', true],
    ['*/db-*-x', 'shop/db-0', false],
    ['*', 'shop/db', true],
    ['shop/d*b', 'shop/db', true],
    ['shop/db*b', 'shop/db', false],
    ['**********x', `a/${'a'.repeat(300)}`, false],
  ])('protect %s covers %s: %s', (pattern, owner, covered) => {
    expect(isProtected({ ...DEFAULTS, protect: [pattern] }, owner)).toBe(covered)
  })
})

it.each<[number, number, string]>([
  [0, 0, '2 reserved'],
  [1, 10, 'a.yaml:1: xxxxxxxxxx'],
  [3, 10, 'a.yaml:1: xxxxxxxxxx (and 2 more)'],
  [12, 300, `a.yaml:1: ${'x'.repeat(116)} (and 11 more)`],
])('the one line of a status: %i errors of %i characters', (count, length, wanted) => {
  const finding = { level: 'error', file: 'a.yaml', line: 1, message: 'x'.repeat(length) } as const
  const line = described(
    '2 reserved',
    Array.from({ length: count }, () => finding),
  )
  expect(line).toBe(wanted)
  expect(line.length).toBeLessThanOrEqual(140)
})

describe('the comment', () => {
  it.each([
    ['plain', '` plain `'],
    ['a`b', '`` a`b ``'],
    ['``` ```', '```` ``` ``` ````'],
    ['two\nlines', '` two lines `'],
  ])('%j is code', (text, wanted) => expect(code(text)).toBe(wanted))

  it('fits, whatever the plan, and says what it leaves out', () => {
    const finding = { level: 'error', file: 'a.yaml', line: 1, message: 'x'.repeat(300) } as const
    const comment = commentOf('repo', 'a'.repeat(40), {
      entries: [],
      findings: Array.from({ length: 500 }, () => finding),
      drift: [],
    })
    expect(comment.length).toBeLessThan(65_536)
    const lines = comment.split('\n')
    const left = Number(/^- and (\d+) more$/.exec(lines.at(-1)!)?.[1])
    expect(lines.filter((line) => line.includes('a.yaml:1')).length + left).toBe(500)
  })

  // Fault 77.
  it('says nothing that a browser or the provider would act on', () => {
    const message = '"<script>alert(1)</script>" @everyone [x](https://evil.example) `code` | #1'
    const comment = commentOf('repo', 'a'.repeat(40), {
      entries: [],
      findings: [{ level: 'error', file: 'a`b.yaml', line: 1, message }],
      drift: [],
    })
    const outside = comment.replaceAll(/(`+) [^\n]*? \1(?!`)/g, '')
    expect(outside).not.toMatch(/script|@everyone|evil/)
  })
})
