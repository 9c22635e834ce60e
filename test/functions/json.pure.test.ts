import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseJson } from '../../functions/body/json.ts'
import { parseYaml } from '../../functions/body/yaml.ts'

/** Values that both readers take: no NUL, no `__proto__`, numbers that keep their digits. */
const text = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .filter((value) => !value.includes('\0') && value !== '__proto__' && value !== '<<')
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }),
)
const value = fc.letrec((tie) => ({
  node: fc.oneof({ maxDepth: 6 }, text, number, fc.boolean(), fc.constant(null), tie('list'), tie('object')),
  list: fc.array(tie('node'), { maxLength: 4 }),
  object: fc.dictionary(text, tie('node'), { maxKeys: 4, noNullPrototype: true }),
})).node

it('reads what JSON.stringify writes as JSON.parse does', () => {
  fc.assert(
    fc.property(value, fc.constantFrom(0, 1, '\t'), (given, indent) => {
      const written = JSON.stringify(given, null, indent)
      expect(parseJson(written)).toEqual({ ok: true, value: JSON.parse(written) })
    }),
    { numRuns: 1000 },
  )
})

it('reads JSON as YAML to the same value', () => {
  fc.assert(
    fc.property(value, (given) => {
      fc.pre(given !== null)
      const written = JSON.stringify(given)
      expect(parseYaml(written)).toEqual({ ok: true, value: [JSON.parse(written)] })
    }),
    { numRuns: 500 },
  )
})

it('takes nothing that JSON.parse refuses, and throws at nothing', () => {
  fc.assert(
    fc.property(value, fc.nat(), fc.string({ unit: 'grapheme', maxLength: 2 }), (given, at, junk) => {
      const written = JSON.stringify(given)
      const place = at % (written.length + 1)
      const broken = written.slice(0, place) + junk + written.slice(place + 1)
      const read = parseJson(broken)
      if (read.ok) expect(read.value).toEqual(JSON.parse(broken))
    }),
    { numRuns: 2000 },
  )
})

it('throws at no YAML', () => {
  const unit = fc.constantFrom(...'ab01:-?!&*{}[],|>%@`\'"#.~<= \n\t')
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), (written) => {
      expect(parseYaml(written)).toHaveProperty('ok')
    }),
    { numRuns: 5000 },
  )
})

it('keeps wide integers where they are wanted', () => {
  const wide = { ok: true, value: { a: 18446744073709551616n } }
  expect(parseJson('{"a": 18446744073709551616}', { wideIntegers: true })).toEqual(wide)
  expect(parseYaml('a: 18446744073709551616', { wideIntegers: true })).toEqual({
    ok: true,
    value: [wide.value],
  })
  expect(parseJson(`{"a": ${'9'.repeat(65)}}`, { wideIntegers: true })).toMatchObject({ ok: false })
})

it.for([
  ['-0', -0],
  ['1e2', 100],
  ['1.5E+1', 15],
  ['9007199254740991', 9007199254740991],
  ['-9007199254740991', -9007199254740991],
  ['0.1', 0.1],
  ['0e9', 0],
] as const)('reads the number %s', ([written, number]) => {
  expect(parseJson(written)).toEqual({ ok: true, value: number })
})

const MIB = 1 << 20
const fill = (unit: string, head = '', tail = '') =>
  head + unit.repeat(Math.floor((MIB - head.length - tail.length) / unit.length)) + tail
const counted = (make: (index: number) => string, head = '', tail = '') => {
  let body = head
  for (let i = 0; body.length < MIB - 64; i++) body += make(i)
  return body + tail
}

/** Bodies of 1 MiB made to be slow. Each is read or refused within a time that a quadratic reader would not keep. */
const SLOW: readonly (readonly [string, string])[] = [
  ['many names', counted((i) => `"k${i}":1,`, '{', '"z":1}')],
  ['many numbers', fill('1,', '[', '1]')],
  ['many escapes', fill('\\u0041', '["', '"]')],
  ['many quotes', fill('\\"', '["', '"]')],
  ['one long string', fill('a', '["', '"]')],
  ['one long number', fill('1')],
  ['spaces', fill(' ', '[', ']')],
  ['unclosed lists', fill('[')],
  ['unclosed objects', fill('{"a":')],
  ['lists side by side', fill('[],', '[', '[]]')],
  ['objects side by side', fill('{},', '[', '{}]')],
  ['lines and an error at the end', fill('\n', '[', 'x]')],
]

const SLOW_YAML: readonly (readonly [string, string])[] = [
  ...SLOW,
  ['names on lines', counted((i) => `k${i}: 1\n`)],
  ['entries on lines', fill('- a\n')],
  ['dashes on a line', fill('- ')],
  ['question marks', fill('? ')],
  ['nested by colons', fill('a: ')],
  ['one long word', fill('a')],
  ['one long folded scalar', fill('a b\n ', 'a: ')],
  ['one long literal', fill('  a\n', 'a: |\n')],
  ['one long quoted scalar over lines', fill('a \n ', 'a: "', '"')],
  ['spaces at ends of lines', fill(`a${' '.repeat(1000)}\n `, 'a: "', '"')],
  ['comments', fill('# a\n')],
  ['comments in a map', fill('# a\n', 'a: 1\n', 'b: 2\n')],
  ['document marks', fill('---\n')],
  ['document ends', fill('...\n')],
  ['documents', fill('---\na: 1\n')],
  ['directives', fill('%FOO bar\n')],
  ['tags', fill('!a ')],
  ['anchors', counted((i) => `- &a${i} x\n`)],
  ['aliases', fill('- *a\n', '- &a x\n')],
  ['tabs', fill('\t')],
  ['carriage returns', fill('\r')],
  ['empty lines', fill('\n', 'a:\n', 'b\n')],
  ['flow maps', fill('{a: 1},', '[', '{}]')],
  ['flow pairs', fill('a: 1,', '[', 'b]')],
  ['steps of indentation', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')],
  ['errors on every line', fill('a: b: c\n')],
  ['quotes that open', fill('"')],
  ['single quotes', fill("''", "a: '", "'")],
  ['braces that close', fill('}')],
  ['commas', fill(',', '[', ']')],
  ['block scalar headers', fill('- |\n')],
]

const LIMIT_MS = 4000

it.for(SLOW)('reads or refuses as JSON in time: %s', { timeout: LIMIT_MS }, ([, body]) => {
  expect(parseJson(body)).toHaveProperty('ok')
})

it.for(SLOW_YAML)('reads or refuses as YAML in time: %s', { timeout: LIMIT_MS }, ([, body]) => {
  expect(parseYaml(body)).toHaveProperty('ok')
})

it('has room for a thousand objects as kubectl prints them', () => {
  const object = [
    '- apiVersion: kubeovn.io/v1',
    '  kind: IP',
    '  metadata:',
    ...['annotations', 'labels'].flatMap((name) => [
      `    ${name}:`,
      ...Array.from({ length: 4 }, (_, i) => `      ovn.kubernetes.io/a${i}: "x"`),
    ]),
    '  spec:',
    ...Array.from({ length: 13 }, (_, i) => `    field${i}: value`),
    '',
  ].join('\n')
  const list = `apiVersion: v1\nitems:\n${object.repeat(1000)}kind: List\n`
  expect(list.length).toBeLessThan(MIB)
  expect(parseYaml(list)).toHaveProperty('ok', true)
})
