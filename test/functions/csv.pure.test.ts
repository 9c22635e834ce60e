import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCsv, withoutGuard, writeCsv } from '../../functions/body/csv.ts'

const fieldsOf = (text: string) => {
  const records = parseCsv(text)
  return records.ok ? records.value.map(({ line, fields }) => [line, ...fields]) : records.error.detail
}

describe('CSV', () => {
  it.each<[string, string, unknown[]]>([
    [
      'lines',
      'a,b\r\nc,d\r\n',
      [
        [1, 'a', 'b'],
        [2, 'c', 'd'],
      ],
    ],
    [
      'a last line without an end',
      'a\r\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'line feeds alone',
      'a\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['a byte order mark', '\ufeffa,b', [[1, 'a', 'b']]],
    [
      'empty lines',
      'a\n\n\r\nb',
      [
        [1, 'a'],
        [4, 'b'],
      ],
    ],
    [
      'empty fields',
      ',\n"",x',
      [
        [1, '', ''],
        [2, '', 'x'],
      ],
    ],
    ['quotes', '"a,""b""",c', [[1, 'a,"b"', 'c']]],
    [
      'line ends in quotes',
      '"a\r\nb",c\nd',
      [
        [1, 'a\r\nb', 'c'],
        [3, 'd'],
      ],
    ],
    ['space', ' a , b', [[1, ' a ', ' b']]],
    ['nothing', '', []],
  ])('reads %s', (_, text, records) => expect(fieldsOf(text)).toEqual(records))

  it.each([
    ['a quote inside', 'x\na"b', 2],
    ['a quote after space', 'a, "b"', 1],
    ['text after a quote', '"a"b', 1],
    ['a quote left open', 'x\n\n"a\n', 3],
    ['a carriage return alone', 'a\rb', 1],
  ])('refuses %s', (_, text, line) => expect(fieldsOf(text)).toContain(`at line ${line}:`))

  it('is written so that a reader gets the same', () => {
    const field = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'=\'"@,\r\n\t-+a') }),
    )
    fc.assert(
      fc.property(fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), (rows) => {
        const read = parseCsv(rows.map(writeCsv).join(''))
        expect(read.ok && read.value.map(({ fields }) => fields.map(withoutGuard))).toEqual(rows)
      }),
    )
  })

  // Fault 77.
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1', "'=1", '\n=1'])(
    'keeps %j from being a formula',
    (text) => {
      const written = writeCsv([text, 'x'])
      expect(written.replace(/^"/, '')).toMatch(/^'/)
      expect(withoutGuard(parseCsvField(written))).toBe(text)
    },
  )

  it.each(["it's", "'quoted'", 'a=1', '10.16.0.3'])('leaves %j alone', (text) => {
    expect(writeCsv([text])).toBe(`${text}\r\n`)
    expect(withoutGuard(text)).toBe(text)
  })
})

function parseCsvField(text: string): string {
  const records = parseCsv(text)
  return records.ok ? (records.value[0]?.fields[0] ?? '') : ''
}
