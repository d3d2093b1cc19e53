/**
 * Counts what vitest has written of a run: `summary.mjs RESULTS EXIT_CODE FAILED_STEPS`. Prints what failed or was skipped, and
 * as the last line `N passed, N failed`. Exit code 0 only if something passed and nothing failed.
 *
 * A skipped or todo test counts as failed: a test that does not run proves nothing. So does a file that could not be
 * loaded, a step of the run that failed, and a run that ended before it had results.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [file, exitCode, failedSteps] = process.argv.slice(2)

function filesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testResults
  } catch {
    return []
  }
}

let passed = 0
const failures = []
for (const { name, status, message, assertionResults } of filesOf(file)) {
  const where = relative(process.cwd(), name)
  const bad = assertionResults.filter((test) => test.status !== 'passed')
  passed += assertionResults.length - bad.length
  failures.push(...bad.map((test) => `${test.status}: ${where}: ${test.fullName}`))
  if (status === 'failed' && bad.length === 0) failures.push(`failed: ${where}: ${message}`)
}
if (failures.length === 0 && exitCode !== '0') failures.push(`failed: npm test, with exit code ${exitCode}`)
for (const line of failures) console.log(line)
const failed = failures.length + Number(failedSteps)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = passed > 0 && failed === 0 ? 0 : 1
