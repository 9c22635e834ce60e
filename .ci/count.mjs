// node .ci/count.mjs <vitest JSON report> <vitest's exit code> → "passed failed"
import { existsSync, readFileSync } from 'node:fs'

const [file = '', code = '1'] = process.argv.slice(2)
let passed = 0
let failed = 0
if (existsSync(file)) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  passed = report.numPassedTests
  // A test that was skipped or left to do did not run.
  failed = report.numTotalTests - passed
  // A file that could not be loaded has no tests to fail.
  failed += report.testResults.filter(
    (result) => result.status !== 'passed' && result.assertionResults.length === 0,
  ).length
}
if (passed === 0 && failed === 0) failed = 1
// Errors outside any test (or a run cut short) show in the exit code alone.
if (code !== '0' && failed === 0) failed = 1
console.log(`${passed} ${failed}`)
