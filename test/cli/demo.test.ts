/**
 * `postview demo`: how it ends. What is wrong is put in at the ends of the run, the known answer and the sink of the
 * samples, so that it is the product's own comparison that finds it.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { VIEWS } from '../../src/generate/event.ts'
import { LogTarget } from '../../src/generate/toLog.ts'
import { KafkaSink } from '../../src/sinks/kafka.ts'
import { run } from './run.ts'
import { asTerminal } from './terminal.ts'

const FEW = ['demo', '--views', '1000']
const COUNTS = /^[\d,]+ events in, [\d,]+ samples out, [\d,]+ views pending$/

afterEach(() => {
  vi.restoreAllMocks()
})

/** The known answer of the first view is another than the events give. */
function wrongAnswer(): void {
  const { send } = LogTarget.prototype
  let isFirst = true
  vi.spyOn(LogTarget.prototype, 'send').mockImplementation(function (this: LogTarget, source, event) {
    if (isFirst && event.source === VIEWS) {
      isFirst = false
      ;(event.answer!.labels as Map<string, number | null>).set('click', 17)
    }
    return send.call(this, source, event)
  })
}

/** The first sample goes out so often. */
function firstSample(times: number): void {
  const { add } = KafkaSink.prototype
  let isFirst = true
  vi.spyOn(KafkaSink.prototype, 'add').mockImplementation(function (this: KafkaSink, ...sample) {
    for (let k = 0; k < (isFirst ? times : 1); k++) add.apply(this, sample)
    isFirst = false
  })
}

test('ends well where every sample is right, and counts in place on a terminal', async () => {
  const { stdout, exitCode } = await asTerminal('stdout', () => run(...FEW))
  const [, counts, ...others] = stdout.split('\n')
  const [before, ...inPlace] = counts.split('\r\u001b[K')
  expect(before).toBe('')
  expect(inPlace.filter((line) => !COUNTS.test(line))).toEqual([])
  expect(others.filter((line) => COUNTS.test(line))).toEqual([])
  expect(stdout).toContain('All 1,000 samples are as known beforehand')
  expect(exitCode).toBeUndefined()
})

test.each([
  ['another label than is known', () => wrongAnswer(), '0 are missing, 1 have wrong labels, 0 should not be there'],
  ['a sample too few', () => firstSample(0), '1 are missing, 0 have wrong labels, 0 should not be there'],
  ['a sample twice', () => firstSample(2), '0 are missing, 0 have wrong labels, 1 should not be there'],
])('ends with 1 after %s', async (_, putIn, verdict) => {
  putIn()
  const { stdout, exitCode } = await run(...FEW)
  expect(stdout).toContain(`WRONG: of 1000 samples ${verdict}.`)
  // Where no terminal is, counts are lines.
  expect(stdout.split('\n')[1]).toMatch(COUNTS)
  expect(exitCode).toBe(1)
})
