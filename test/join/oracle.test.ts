/**
 * The pure join against the oracle, event by event, on streams with all that an input can hold: late and beyond the
 * bound, copies, ticks, refused and quarantined records, several partitions and sources, time of arrival.
 */
import { describe, expect, test } from 'vitest'
import { type Generated, generate, runOracle } from '../oracle/run.ts'
import { type ComparedJoin, expectedOf, outcomeOf, runPartition } from '../support/compare.ts'
import { PureJoin } from '../support/pureJoin.ts'
import { Random } from '../support/random.ts'

interface Stream {
  readonly name: string
  readonly options: Readonly<Record<string, number>>
  readonly change?: (stream: Generated, random: Random) => Generated
}

const VIEWS = { views: 950, users: 20 }
const STREAMS: readonly Stream[] = [
  { name: 'within the bound', options: { ...VIEWS, copies: 0 } },
  { name: 'with copies', options: { ...VIEWS, copies: 0.3 } },
  { name: 'beyond the bound', options: { ...VIEWS, beyond: 0.2 } },
  { name: 'of many sources and partitions', options: { ...VIEWS, sources: 4, partitions: 3, beyond: 0.05 } },
  { name: 'of few users and items', options: { ...VIEWS, users: 2, items: 2, beyond: 0.1 } },
  { name: 'with ticks and refused records', options: { ...VIEWS, beyond: 0.05 }, change: withTicks },
  { name: 'by the time of arrival, with a clock to be ahead of', options: VIEWS, change: byArrival },
  { name: 'with little remembered', options: { ...VIEWS, beyond: 0.1 }, change: forgetful },
]

/** The watermark as an idle source moves it, and records that cannot be read. */
function withTicks({ config, events }: Generated, random: Random): Generated {
  const offsets = new Map<number, number>()
  const changed = events.flatMap((e) => {
    if (e.end === true) return [e]
    const next = (): number => {
      const offset = offsets.get(e.source!) ?? 0
      offsets.set(e.source!, offset + 1)
      return offset
    }
    const refused = random.chance(0.05) ? [{ source: e.source, partition: 0, offset: next(), refused: true }] : []
    const tick = random.chance(0.02) ? [{ watermark: e.time! + random.below(60_000) - 50_000, partition: 0 }] : []
    return [...refused, { ...e, offset: next() }, ...tick]
  })
  return { config, events: changed }
}

/** Stamps beside the event times, and a machine's clock that some events and some stamps are ahead of. */
function byArrival({ config, events }: Generated, random: Random): Generated {
  return {
    config: { ...config, basis: 'arrival', maxClockSkewMs: 60_000, outOfOrdernessMs: config.outOfOrdernessMs + 5000 },
    events: events.map((e) => {
      if (e.end === true) return e
      const stamp = e.time! + random.below(5000) + (random.chance(0.02) ? 10_000_000 : 0)
      const time = random.chance(0.02) ? e.time! + 20_000_000 : e.time!
      return { ...e, time, stamp, now: 5_000_000 }
    }),
  }
}

function forgetful({ config, events }: Generated): Generated {
  return { config: { ...config, rememberSealedMs: 20_000 }, events }
}

describe.each(STREAMS.map((stream, i) => ({ ...stream, seed: 100 + i })))('a stream $name', (stream) => {
  const made = generate(stream.seed, stream.options)
  const { config, events } = stream.change?.(made, new Random(stream.seed)) ?? made
  const expected = runOracle(config, events)
  const partitions = Array.from({ length: config.partitions }, (_, partition) => partition)
  const run = (partition: number, batchSize: number): ComparedJoin =>
    runPartition(new PureJoin(config, { partition, partitions: config.partitions }), events, partition, batchSize)

  test.each([1, 7, 500])('gives what the oracle says, in batches of up to %i', (batchSize) => {
    for (const partition of partitions) {
      expect(outcomeOf(run(partition, batchSize))).toEqual(expectedOf(expected, partition))
    }
  })

  test('shows enough for that to mean something', () => {
    const { views, engagements } = expected.ledger.total
    expect(events.length).toBeGreaterThan(2000)
    expect(views.samples).toBeGreaterThan(800)
    expect(engagements.bound).toBeGreaterThan(80)
    expect(expected.side.length).toBeGreaterThan(100)
  })
})
