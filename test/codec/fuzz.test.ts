import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'

const SEED = 20_261_121
const RECORDS = 20_000
/** A demand of the system, not a measurement: no record may hold up the loop for longer. */
const LONGEST_MS = 100
const STEPS_PER_BYTE = 3

test(`${RECORDS} random and mutated records of seed ${SEED} are read or refused, in bounded steps`, async () => {
  const report = await fuzz(SEED, RECORDS)
  expect(report.read).toBeGreaterThan(RECORDS / 10)
  expect(report.refused).toBeGreaterThan(RECORDS / 10)
  expect(report.reasons.size).toBeGreaterThan(20)
  expect(report.mostStepsPerByte).toBeLessThan(STEPS_PER_BYTE)
  expect(report.slowestMs).toBeLessThan(LONGEST_MS)
})
