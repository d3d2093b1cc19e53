/** Splitting the input into other batches changes nothing: not the samples, nor their order, nor what is counted. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dumpState } from '../support/dumpState.ts'
import {
  arrange,
  batchesOf,
  HARSH,
  type JoinStream,
  joinStreams,
  propertyOptions,
  randomOf,
  takeBatch,
} from '../support/joinStreams.ts'
import { type OracleEvent, PureJoin } from '../support/pureJoin.ts'

/** All that can go wrong with an event: late, beyond the bound, repeated, refused, quarantined. */
function harshEvents(stream: JoinStream): OracleEvent[] {
  const random = randomOf(stream, 1)
  const events = arrange(stream, random, { copies: 0.3, beyond: 0.3, ticks: 0.1, refused: 0.1 })
  const nowMs = Math.max(...stream.events.map((e) => e.time!)) - 20
  return events.map((e) => (e.watermark === undefined ? { ...e, now: nowMs } : e))
}

function outcome(stream: JoinStream, events: readonly OracleEvent[], cut: () => boolean) {
  const join = new PureJoin({ ...stream.config, maxClockSkewMs: 10 })
  for (const batch of batchesOf(events, cut)) takeBatch(join, batch)
  const before = { dump: dumpState(join.state), ledger: join.ledger }
  join.end()
  return { before, samples: join.samples, side: join.side, ledger: join.ledger }
}

describe('the same records in other batches', () => {
  test('give the same samples and side outputs in the same order, the same ledger and the same state', () => {
    const seen: Record<string, number> = {}
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const events = harshEvents(stream)
        const one = outcome(stream, events, () => true)
        expect(outcome(stream, events, () => false)).toEqual(one)
        const random = randomOf(stream, 2)
        expect(outcome(stream, events, () => random.chance(0.2))).toEqual(one)
        for (const [name, count] of Object.entries(one.ledger)) seen[name] = (seen[name] ?? 0) + count
      }),
      propertyOptions(250),
    )
    for (const field of ['lateViews', 'late', 'orphan', 'outside', 'unused', 'conflicts', 'engagementDuplicates']) {
      expect([field, seen[field]]).toEqual([field, expect.toSatisfy((count: number) => count > 40)])
    }
    for (const field of ['refused', 'viewsQuarantined', 'engagementsQuarantined', 'bound']) {
      expect([field, seen[field]]).toEqual([field, expect.toSatisfy((count: number) => count > 20)])
    }
  })

  test('also where one advance of the watermark makes everything due', () => {
    fc.assert(
      fc.property(joinStreams(HARSH), (stream) => {
        const events = arrange(stream, randomOf(stream, 1))
        const jump = { user: 'jump', item: 'jump', type: 'jump', time: 2e12 }
        const jumps = stream.config.sources.map((_, source) => ({
          ...jump,
          source,
          offset: lastOffset(events, source) + 1,
        }))
        const again = events.map((e) => ({ ...e, offset: e.offset! + lastOffset(events, e.source!) + 1 }))
        const all = [...events, ...jumps, ...again]
        expect(outcome(stream, all, () => false)).toEqual(outcome(stream, all, () => true))
      }),
      propertyOptions(100),
    )
  })
})

function lastOffset(events: readonly OracleEvent[], source: number): number {
  return Math.max(0, ...events.filter((e) => e.source === source).map((e) => e.offset!))
}
