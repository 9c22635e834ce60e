import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** Rows of the table of defects: number, file and title of the test. */
const rows = readFileSync('docs/kube-ovn.md', 'utf8')
  .split('\n')
  .flatMap((line) => {
    const match = /^\| (D\d+) \| .+ \| .+ \| `([^`]+)`: (.+) \|$/.exec(line)
    return match ? [{ defect: match[1] ?? '', file: `test/${match[2]}`, title: match[3] ?? '' }] : []
  })

it('names every defect, in order', () => {
  expect(rows.map(({ defect }) => defect)).toEqual(Array.from({ length: 28 }, (_, index) => `D${index + 1}`))
})

it.each(rows)('$defect: the test it names is there', ({ file, title }) => {
  expect(existsSync(file), file).toBe(true)
  expect(readFileSync(file, 'utf8')).toContain(title)
})
