/** A million fuzzed records, or POSTVIEW_FUZZ_RECORDS of them, from POSTVIEW_FUZZ_SEED. */
import { expect, test } from 'vitest'
import { fuzz } from '../codec/fuzz.ts'

const RECORDS = Number(process.env.POSTVIEW_FUZZ_RECORDS ?? 1_000_000)
const SEED = Number(process.env.POSTVIEW_FUZZ_SEED ?? 7)

test(`${RECORDS} random and mutated records of seed ${SEED} are read or refused, in bounded steps`, async () => {
  const report = await fuzz(SEED, RECORDS)
  console.log(`fuzz seed ${SEED}: ${report.read} read, ${report.refused} refused for ${report.reasons.size} reasons`)
  console.log(`slowest record ${report.slowestMs.toFixed(1)} ms, ${report.mostStepsPerByte.toFixed(1)} steps a byte`)
  expect(report.read).toBeGreaterThan(RECORDS / 10)
  expect(report.refused).toBeGreaterThan(RECORDS / 10)
  expect(report.mostStepsPerByte).toBeLessThan(3)
  expect(report.slowestMs).toBeLessThan(100)
})
