import { expect, it } from 'vitest'
import { type CallOptions, expectRefusal, type Refusal, WISH } from './call.ts'

const JSON_TEXT = JSON.stringify(WISH)
const YAML = 'application/yaml'
const malformed = (field = 'body'): Refusal => ({ status: 400, code: 'malformed', field })
const tooLarge: Refusal = { status: 413, code: 'too_large', field: 'body' }
const badType = (field = 'Content-Type'): Refusal => ({ status: 415, code: 'unsupported_media_type', field })
const bytes = (...values: number[]) => new Uint8Array(values)
const withWish = (extra: string) => `${JSON_TEXT.slice(0, -1)},${extra}}`
const nested = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)

/** A body that is not read at all: faults 49, 67, 71, 75. Expected words tell one reason from another. */
const ROWS: readonly (readonly [string, CallOptions, Refusal, RegExp?])[] = [
  // Types
  [
    'curl -d without a type',
    { body: JSON_TEXT, type: 'application/x-www-form-urlencoded' },
    badType(),
    /curl/,
  ],
  ['no content type', { body: JSON_TEXT, type: null }, badType(), /no Content-Type/],
  ['text/plain', { body: JSON_TEXT, type: 'text/plain' }, badType()],
  ['text/html', { body: JSON_TEXT, type: 'text/html' }, badType()],
  ['application/xml', { body: '<a/>', type: 'application/xml' }, badType()],
  ['multipart', { body: JSON_TEXT, type: 'multipart/form-data; boundary=x' }, badType()],
  ['merge patch', { body: JSON_TEXT, type: 'application/merge-patch+json' }, badType()],
  ['JSON with a tail', { body: JSON_TEXT, type: 'application/jsonx' }, badType()],
  ['two types', { body: JSON_TEXT, type: 'application/json, application/yaml' }, badType()],
  ['a prototype name as type', { body: JSON_TEXT, type: 'constructor' }, badType()],
  ['UTF-16 announced', { body: JSON_TEXT, type: 'application/json; charset=utf-16' }, badType(), /UTF-8/],
  ['Latin-1 announced', { body: 'a: b', type: 'text/yaml; charset=iso-8859-1' }, badType()],
  ['gzip', { body: JSON_TEXT, headers: { 'Content-Encoding': 'gzip' } }, badType('Content-Encoding')],
  // Size
  ['1 MiB and one byte', { body: `"${'x'.repeat((1 << 20) - 1)}"` }, tooLarge],
  ['1 MiB of spaces and a wish', { body: ' '.repeat(1 << 20) + JSON_TEXT }, tooLarge],
  ['3 MiB of YAML', { body: 'a'.repeat(3 << 20), type: YAML }, tooLarge],
  ['announced as 5 GiB', { body: JSON_TEXT, headers: { 'Content-Length': '5368709120' } }, tooLarge],
  // Nothing there
  ['no body', { method: 'POST' }, malformed(), /empty/],
  ['no body with a type', { method: 'POST', type: 'application/json' }, malformed(), /empty/],
  ['an empty body', { body: '' }, malformed(), /empty/],
  ['only spaces', { body: ' \n\t' }, malformed(), /empty/],
  ['empty YAML', { body: '\n', type: YAML }, malformed(), /empty/],
  ['YAML of comments', { body: '# nothing\n', type: YAML }, malformed(), /empty/],
  ['YAML of empty documents', { body: '---\n---\n---\n', type: YAML }, malformed(), /empty/],
  // Bytes
  ['bad UTF-8', { body: bytes(0x7b, 0x22, 0xff, 0x22, 0x7d) }, malformed(), /UTF-8/],
  ['overlong UTF-8', { body: bytes(0x22, 0xc0, 0xaf, 0x22) }, malformed(), /UTF-8/],
  ['a surrogate in UTF-8', { body: bytes(0x22, 0xed, 0xa0, 0x80, 0x22) }, malformed(), /UTF-8/],
  ['cut off UTF-8', { body: bytes(0x22, 0xe2, 0x82) }, malformed(), /UTF-8/],
  ['UTF-16', { body: bytes(0xff, 0xfe, 0x7b, 0, 0x7d, 0) }, malformed(), /UTF-8/],
  ['bad UTF-8 in YAML', { body: bytes(0x61, 0x3a, 0x20, 0xff), type: YAML }, malformed(), /UTF-8/],
  ['JSON with a byte order mark', { body: `\ufeff${JSON_TEXT}` }, malformed(), /byte order mark/],
  ['raw NUL', { body: '{"subnet": "a\0b"}' }, malformed(), /NUL at line 1, column 14/],
  ['raw NUL in YAML', { body: 'subnet: a\0b', type: YAML }, malformed(), /NUL at line 1, column 10/],
  // JSON
  ['escaped NUL', { body: withWish('"reason":"a\\u0000b"') }, malformed('reason'), /NUL/],
  ['a lone surrogate', { body: withWish('"reason":"\\ud800"') }, malformed('reason'), /lone surrogate/],
  ['a lone low surrogate', { body: withWish('"reason":"\\udc00x"') }, malformed('reason'), /lone surrogate/],
  ['a duplicate name', { body: withWish('"subnet":"b"') }, malformed('subnet'), /"subnet" appears twice/],
  ['a duplicate by escape', { body: withWish('"s\\u0075bnet":"b"') }, malformed('subnet'), /appears twice/],
  ['an equal duplicate', { body: withWish('"podName":"web-1"') }, malformed('podName'), /appears twice/],
  ['a duplicate deep inside', { body: '{"items":[{"a":{"b":1,"b":1}}]}' }, malformed('items[0].a.b')],
  ['constructor twice', { body: '{"constructor":1,"constructor":2}' }, malformed('constructor')],
  ['1e400', { body: withWish('"ttlSeconds":1e400') }, malformed('ttlSeconds'), /1e400/],
  ['-1e400', { body: withWish('"ttlSeconds":-1e400') }, malformed('ttlSeconds')],
  ['1e-400', { body: withWish('"ttlSeconds":1e-400') }, malformed('ttlSeconds')],
  ['2^53 + 1', { body: withWish('"ttlSeconds":9007199254740993') }, malformed('ttlSeconds'), /exactly/],
  ['a number of 400 digits', { body: withWish(`"ttlSeconds":${'9'.repeat(400)}`) }, malformed('ttlSeconds')],
  ['NaN', { body: '{"subnet":NaN}' }, malformed('subnet'), /line 1, column 11/],
  ['Infinity', { body: '{"subnet":Infinity}' }, malformed('subnet')],
  ['undefined', { body: '{"subnet":undefined}' }, malformed('subnet')],
  ['a leading zero', { body: '{"subnet":010}' }, malformed()],
  ['hexadecimal', { body: '{"subnet":0x10}' }, malformed()],
  ['a plus sign', { body: '{"subnet":+1}' }, malformed('subnet')],
  ['a bare point', { body: '{"subnet":1.}' }, malformed()],
  ['depth 65', { body: nested('[', ']', 65) }, malformed(), /64 levels/],
  ['depth 65 by objects', { body: `${'{"a":'.repeat(65)}1${'}'.repeat(65)}` }, malformed(), /64 levels/],
  ['depth 65 below a wish', { body: withWish(`"x":${nested('[', ']', 64)}`) }, malformed(), /64 levels/],
  ['depth 100,000', { body: nested('[', ']', 100_000) }, malformed(), /64 levels/],
  ['depth 100,000 unclosed', { body: '{"a":'.repeat(100_000) }, malformed(), /64 levels/],
  ['a trailing comma', { body: withWish('') }, malformed()],
  ['a trailing comma in a list', { body: '{"items":[1,]}' }, malformed('items[1]')],
  ['a comment', { body: `/* a */${JSON_TEXT}` }, malformed()],
  ['single quotes', { body: "{'subnet':'a'}" }, malformed()],
  ['bare names', { body: '{subnet:"a"}' }, malformed()],
  ['two values', { body: JSON_TEXT + JSON_TEXT }, malformed(), /more text/],
  ['cut off', { body: JSON_TEXT.slice(0, -1) }, malformed()],
  ['cut off in a string', { body: '{"subnet": "ovn' }, malformed('subnet'), /does not end/],
  ['cut off in an escape', { body: '{"subnet": "\\u12' }, malformed('subnet')],
  ['an unknown escape', { body: '{"subnet": "\\x41"}' }, malformed('subnet')],
  ['a raw newline in a string', { body: '{"subnet": "a\nb"}' }, malformed('subnet'), /control character/],
  ['a missing colon', { body: '{"subnet" "a"}' }, malformed('subnet')],
  ['YAML called JSON', { body: 'subnet: a\n' }, malformed()],
  // YAML
  ['YAML: duplicate name', { body: 'a: 1\nb: 2\na: 3\n', type: YAML }, malformed('a'), /line 3, column 1/],
  ['YAML: duplicate by quotes', { body: 'a: 1\n"a": 3\n', type: YAML }, malformed('a'), /appears twice/],
  ['YAML: duplicate in flow', { body: 'x: {a: 1, a: 2}\n', type: YAML }, malformed('x.a'), /appears twice/],
  ['YAML: merge key', { body: 'a: &x {b: 1}\nc:\n  <<: *x\n', type: YAML }, malformed('c'), /merge keys.*/],
  ['YAML: custom tag', { body: 'subnet: !secret a\n', type: YAML }, malformed(), /line 1, column 9/],
  ['YAML: local function tag', { body: 'subnet: !!js/function "x"\n', type: YAML }, malformed()],
  ['YAML: binary', { body: 'subnet: !!binary aGVsbG8=\n', type: YAML }, malformed('subnet'), /tag/],
  ['YAML: set', { body: 'subnet: !!set {a, b}\n', type: YAML }, malformed('subnet'), /tag/],
  ['YAML: timestamp', { body: 'subnet: !!timestamp 2026-01-01\n', type: YAML }, malformed('subnet'), /tag/],
  ['YAML: tab as indentation', { body: 'spec:\n\tsubnet: a\n', type: YAML }, malformed(), /line 2/],
  ['YAML: bad indentation', { body: 'a:\n  b: 1\n c: 2\n', type: YAML }, malformed()],
  ['YAML: unknown alias', { body: 'subnet: *a\n', type: YAML }, malformed('subnet'), /line 1, column 9/],
  ['YAML: alias of itself', { body: '&a x: &b [*b]\n', type: YAML }, malformed()],
  ['YAML: 1.1 by directive', { body: '%YAML 1.1\n---\nsubnet: no\n', type: YAML }, malformed(), /1\.2/],
  ['YAML: a list as name', { body: '? [a, b]\n: c\n', type: YAML }, malformed(), /string/],
  ['YAML: a number as name', { body: '1: a\n', type: YAML }, malformed(), /string; quote it/],
  ['YAML: null as name', { body: '~: a\n', type: YAML }, malformed(), /string; quote it/],
  ['YAML: an empty name', { body: ': a\n', type: YAML }, malformed(), /string; quote it/],
  ['YAML: infinity', { body: 'subnet: .inf\n', type: YAML }, malformed('subnet'), /exactly/],
  ['YAML: not a number', { body: 'subnet: .nan\n', type: YAML }, malformed('subnet')],
  ['YAML: 2^53 + 1', { body: 'subnet: 9007199254740993\n', type: YAML }, malformed('subnet'), /exactly/],
  ['YAML: 1e400', { body: 'subnet: 1e400\n', type: YAML }, malformed('subnet')],
  ['YAML: escaped NUL', { body: 'subnet: "a\\0b"\n', type: YAML }, malformed('subnet'), /NUL/],
  ['YAML: lone surrogate', { body: 'subnet: "\\ud800"\n', type: YAML }, malformed('subnet'), /surrogate/],
  [
    'YAML: raw NUL-like control',
    { body: 'subnet: a\u0001b\n', type: YAML },
    malformed(),
    /line 1, column 10/,
  ],
  ['YAML: raw escape', { body: 'subnet: "\u001b[31m"\n', type: YAML }, malformed(), /control character/],
  ['YAML: raw DEL', { body: 'subnet: a\u007f\n', type: YAML }, malformed(), /control character/],
  ['YAML: raw C1', { body: '# \u009b31m\n', type: YAML }, malformed(), /control character/],
  [
    'YAML: a tag of a kilobyte',
    { body: `subnet: !${'t'.repeat(1_000)} a\n`, type: YAML },
    malformed(),
    /^not acceptable YAML at line 1, column 9: .{1,200}$/,
  ],
  ['YAML: a tag in Cyrillic', { body: 'subnet: !тег a\n', type: YAML }, malformed(), /^[\x20-\x7e]+$/],
  ['YAML: unclosed flow', { body: '{subnet: a\n', type: YAML }, malformed()],
  ['YAML: unclosed quote', { body: 'subnet: "a\n', type: YAML }, malformed()],
  ['YAML: depth 65 in flow', { body: nested('[', ']', 65), type: YAML }, malformed(), /64 levels/],
  ['YAML: depth 100,000 in flow', { body: '['.repeat(100_000), type: YAML }, malformed(), /64 levels/],
  ['YAML: depth 65 in blocks', { body: `${'- '.repeat(65)}a\n`, type: YAML }, malformed(), /64 levels/],
  ['YAML: depth 100,000 in blocks', { body: '- '.repeat(100_000), type: YAML }, malformed(), /64 levels/],
  [
    'YAML: a thousand laughs',
    {
      body: `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]\n`).join('')}`,
      type: YAML,
    },
    malformed(),
    /100 aliases/,
  ],
  [
    'YAML: one long string, a hundred times',
    { body: `a: &a ${'x'.repeat(20_000)}\nb: [${'*a,'.repeat(100)}]\n`, type: YAML },
    tooLarge,
    /aliases grow/,
  ],
  [
    'YAML: one long name, a hundred times',
    { body: `a: &a {${'x'.repeat(1_000)}: ${'x'.repeat(20_000)}}\nb: [${'*a,'.repeat(100)}]\n`, type: YAML },
    tooLarge,
  ],
  [
    'YAML: long strings over many documents',
    { body: `a: &a ${'x'.repeat(5_000)}\nb: [${'*a,'.repeat(100)}]\n---\n`.repeat(3), type: YAML },
    tooLarge,
  ],
  ['YAML: 101 aliases', { body: `a: &a x\nb: [${'*a,'.repeat(101)}]\n`, type: YAML }, malformed(), /100/],
  ['YAML: second document bad', { body: 'a: 1\n---\nb: [\n', type: YAML }, malformed()],
  // Not an object
  ['a bare list', { body: `[${JSON_TEXT}]` }, malformed(), /items/],
  ['a bare list in YAML', { body: '- subnet: a\n', type: YAML }, malformed(), /items/],
  ['a string', { body: '"ovn-default"' }, malformed(), /object/],
  ['a number', { body: '5' }, malformed(), /object/],
  ['null', { body: 'null' }, malformed(), /object/],
  ['true', { body: 'true' }, malformed(), /object/],
  ['YAML: a scalar', { body: 'ovn-default\n', type: YAML }, malformed(), /object/],
  // Names that are not only names
  [
    '__proto__',
    { body: withWish('"__proto__":{"a":1}') },
    { status: 400, code: 'invalid_field', field: '__proto__' },
  ],
  [
    'YAML: __proto__',
    { body: 'metadata:\n  labels:\n    __proto__: {a: b}\n', type: YAML },
    { status: 400, code: 'invalid_field', field: 'metadata.labels.__proto__' },
  ],
]

for (const path of ['/v1/reserve', '/v1/validate', '/v1/release'])
  it.for(ROWS)(`${path} refuses %s`, async ([, options, refusal, words]) => {
    const detail = await expectRefusal(path, options, refusal)
    if (words) expect(detail).toMatch(words)
    expect(Object.hasOwn(Object.prototype, 'a')).toBe(false)
  })
