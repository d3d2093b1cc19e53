/** SEMANTICS.md section 4: how far a source has come, silence, and the watermark. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Clocks } from '../../src/join/clocks.ts'
import { compileRules, type RuleOptions } from '../../src/join/rules.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const BOUND_MS = 100
const IDLE_AFTER_MS = 5000

function newClocks(sources: number, idle: RuleOptions['idle'] = 'follow'): Clocks {
  const rules = compileRules({
    labels: [{ name: 'click', on: 'click', withinMs: 1, fold: 'any', default: 0 }],
    outOfOrdernessMs: BOUND_MS,
    allowedLatenessMs: 0,
    clockSkewToleranceMs: 0,
    rememberSealedMs: 0,
    maxClockSkewMs: Number.POSITIVE_INFINITY,
    basis: 'event',
    idle,
    idleAfterMs: IDLE_AFTER_MS,
    onMiskeyed: 'stop',
  })
  return new Clocks(rules, sources)
}

describe('the watermark', () => {
  test('is the highest event time of the slowest source, less the bound', () => {
    const clocks = newClocks(2)
    clocks.record(0, 10_000)
    expect(clocks.watermarkMs).toBe(Number.NEGATIVE_INFINITY)
    clocks.record(1, 3000)
    expect(clocks.watermarkMs).toBe(2900)
    clocks.record(1, 2000)
    expect(clocks.watermarkMs).toBe(2900)
    clocks.record(1, 20_000)
    expect(clocks.watermarkMs).toBe(9900)
  })

  test('leaves out a source that is caught up and never had an event, until it has one', () => {
    const clocks = newClocks(2)
    clocks.record(0, 10_000)
    clocks.atEnd(1, 0)
    expect(clocks.watermarkMs).toBe(9900)
    clocks.heard(1, 1)
    clocks.record(1, 500)
    clocks.record(0, 11_000)
    expect(clocks.watermarkMs).toBe(9900)
  })

  test('is held by a source that has records to read, however long ago its last event was', () => {
    const clocks = newClocks(2)
    clocks.record(0, 10_000)
    clocks.record(1, 1000)
    for (let ms = 0; ms < 60_000; ms += 1000) clocks.behind(1)
    expect(clocks.watermarkMs).toBe(900)
  })

  test('is past everything at the end of all input', () => {
    const clocks = newClocks(2)
    clocks.finish()
    expect(clocks.watermarkMs).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a caught-up, silent source', () => {
  function heardAt(nowMs: number, idle: RuleOptions['idle'] = 'follow'): Clocks {
    const clocks = newClocks(2, idle)
    clocks.record(0, 100_000)
    clocks.heard(1, nowMs)
    clocks.record(1, 50_000)
    return clocks
  }

  test('follows the clock from its last record on, once it was silent for idleAfter', () => {
    const clocks = heardAt(1000)
    for (const askedAtMs of [2000, 4000, 5999]) clocks.atEnd(1, askedAtMs)
    expect(clocks.watermarkMs).toBe(49_900)
    clocks.atEnd(1, 6000)
    expect(clocks.watermarkMs).toBe(49_900 + 5000)
    clocks.atEnd(1, 7000)
    expect(clocks.watermarkMs).toBe(49_900 + 6000)
  })

  test('starts anew where two answers are idleAfter or more apart', () => {
    const clocks = heardAt(0)
    clocks.atEnd(1, 4000)
    clocks.atEnd(1, 9000)
    expect(clocks.watermarkMs).toBe(49_900)
    clocks.atEnd(1, 13_000)
    expect(clocks.watermarkMs).toBe(49_900)
    clocks.atEnd(1, 14_000)
    expect(clocks.watermarkMs).toBe(49_900 + 5000)
  })

  test('starts anew after an answer that showed records to read, and after a record', () => {
    const behind = heardAt(0)
    behind.atEnd(1, 4000)
    behind.behind(1)
    behind.atEnd(1, 8000)
    behind.atEnd(1, 12_000)
    expect(behind.watermarkMs).toBe(49_900)
    const record = heardAt(0)
    record.atEnd(1, 4000)
    record.heard(1, 4500)
    record.atEnd(1, 8000)
    record.atEnd(1, 9499)
    expect(record.watermarkMs).toBe(49_900)
    record.atEnd(1, 9500)
    expect(record.watermarkMs).toBe(49_900 + 5000)
  })

  test('is not silent by a request that was sent before its last record came', () => {
    const clocks = heardAt(6000)
    clocks.atEnd(1, 500)
    clocks.atEnd(1, 5900)
    expect(clocks.clockMs(1)).toBe(49_900)
    clocks.atEnd(1, 10_999)
    expect(clocks.clockMs(1)).toBe(49_900)
    clocks.atEnd(1, 11_000)
    expect(clocks.clockMs(1)).toBe(49_900 + 5000)
  })

  test('has learned nothing by a restart', () => {
    const clocks = newClocks(1)
    clocks.restore(40_000, [50_000])
    expect(clocks.watermarkMs).toBe(40_000)
    clocks.atEnd(0, 1_000_000)
    clocks.atEnd(0, 1_004_999)
    expect(clocks.watermarkMs).toBe(49_900)
    clocks.atEnd(0, 1_005_000)
    expect(clocks.watermarkMs).toBe(49_900 + 5000)
  })

  test('is left out of the minimum with `ignore`, and counts again once it is heard of', () => {
    const clocks = heardAt(0, 'ignore')
    for (const askedAtMs of [3000, 4999]) clocks.atEnd(1, askedAtMs)
    expect(clocks.watermarkMs).toBe(49_900)
    clocks.atEnd(1, 5000)
    expect(clocks.watermarkMs).toBe(99_900)
    clocks.heard(1, 6000)
    clocks.record(1, 60_000)
    clocks.record(0, 200_000)
    expect(clocks.watermarkMs).toBe(99_900)
    clocks.record(1, 150_000)
    expect(clocks.watermarkMs).toBe(149_900)
  })

  test('does not move the watermark with `ignore` where all are silent, however long', () => {
    const clocks = heardAt(0, 'ignore')
    for (let askedAtMs = 0; askedAtMs < 60_000; askedAtMs += 1000) {
      clocks.atEnd(1, askedAtMs)
      clocks.atEnd(0, askedAtMs)
    }
    expect(clocks.watermarkMs).toBe(99_900)
  })
})

/** One source, as section 4 puts it: what was heard and answered, kept in full and looked through each time. */
class Model {
  highestMs = Number.NEGATIVE_INFINITY
  answers: number[] = []
  heardMs = Number.NaN

  get silenceMs(): number {
    let sinceMs = this.heardMs
    let lastMs = this.heardMs
    for (const askedAtMs of this.answers) {
      if (!(askedAtMs - lastMs < IDLE_AFTER_MS)) sinceMs = askedAtMs
      lastMs = askedAtMs
    }
    return this.answers.length === 0 ? 0 : lastMs - sinceMs
  }

  clockMs(idle: RuleOptions['idle']): number {
    const isSilent = this.silenceMs >= IDLE_AFTER_MS
    if (this.highestMs === Number.NEGATIVE_INFINITY) return this.answers.length > 0 ? Number.NaN : this.highestMs
    if (isSilent && idle === 'ignore') return Number.NaN
    return this.highestMs - BOUND_MS + (isSilent ? this.silenceMs : 0)
  }
}

const steps = fc.array(
  fc.record({
    source: fc.nat(1),
    afterMs: fc.oneof(fc.nat(2500), fc.nat(9000)),
    does: fc.oneof(
      { arbitrary: fc.constant('atEnd' as const), weight: 6 },
      { arbitrary: fc.constant('behind' as const), weight: 1 },
      { arbitrary: fc.nat(100_000), weight: 2 },
    ),
  }),
  { maxLength: 60, size: 'max' },
)

describe('clocks', () => {
  test('are what the rules say of all that was heard, and the watermark never goes back', () => {
    let silent = 0
    fc.assert(
      fc.property(steps, fc.constantFrom('follow' as const, 'ignore' as const), (list, idle) => {
        const clocks = newClocks(2, idle)
        const models = [new Model(), new Model()]
        let nowMs = 0
        for (const { source, afterMs, does } of list) {
          const before = clocks.watermarkMs
          const model = models[source]
          nowMs += afterMs
          if (does === 'behind') {
            clocks.behind(source)
            model.answers = []
            model.heardMs = Number.NaN
          } else if (does === 'atEnd') {
            clocks.atEnd(source, nowMs)
            model.answers.push(nowMs)
          } else {
            clocks.heard(source, nowMs)
            clocks.record(source, does)
            model.answers = []
            model.heardMs = nowMs
            model.highestMs = Math.max(model.highestMs, does)
          }
          models.forEach((m, s) => {
            expect(clocks.clockMs(s)).toBe(m.clockMs(idle))
          })
          const counted = models.map((m) => m.clockMs(idle)).filter((ms) => !Number.isNaN(ms))
          const least = counted.length === 0 ? before : Math.min(...counted)
          expect(clocks.watermarkMs).toBeGreaterThanOrEqual(before)
          if (does === 'atEnd') expect(clocks.watermarkMs).toBe(Math.max(before, least))
          else expect([before, Math.max(before, least)]).toContain(clocks.watermarkMs)
          if (model.silenceMs >= IDLE_AFTER_MS) silent++
        }
      }),
      propertyOptions(300),
    )
    expect(silent).toBeGreaterThan(200)
  })
})
