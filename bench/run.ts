// npm run bench [-- SUITE…]: runs the suites, prints a table, writes dist/bench.json.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { admission } from './admission/suite.ts'
import { beside } from './beside/suite.ts'
import { cluster } from './cluster/suite.ts'
import { ipam } from './ipam/suite.ts'
import { reserve } from './ledger/suite.ts'
import { ovn } from './ovn/suite.ts'
import type { Measurement, Suite } from './suite.ts'

const SUITES: readonly Suite[] = [ipam, reserve, cluster, admission, ovn, beside]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !SUITES.some((suite) => suite.name === name))
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${SUITES.map((suite) => suite.name).join(', ')}`)
  process.exit(2)
}

const shown = (value: number | undefined, unit: string): string =>
  value === undefined ? '' : `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`

const results: Record<string, Measurement[]> = {}
for (const suite of SUITES) {
  if (wanted.length > 0 && !wanted.includes(suite.name)) continue
  console.log(`\n## ${suite.name}\n\n| what | measured | aim | naive | naive / measured |\n|-|-|-|-|-|`)
  const lines: Measurement[] = []
  results[suite.name] = lines
  for await (const line of suite.run()) {
    lines.push(line)
    const { name, value, unit, aim, naive } = line
    const ratio = naive === undefined ? '' : (naive / value).toPrecision(3)
    console.log(
      `| ${name} | ${shown(value, unit)} | ${shown(aim, unit)} | ${shown(naive, unit)} | ${ratio} |`,
    )
  }
}
mkdirSync('dist', { recursive: true })
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
writeFileSync('dist/bench.json', `${JSON.stringify({ machine, results }, null, 2)}\n`)
console.log('\nwritten to dist/bench.json')
