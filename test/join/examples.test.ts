/** The worked examples of SEMANTICS.md and the oracle's own, through the pure join. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type OracleConfig, type OracleEvent, PureJoin, type PureSample, type PureSide } from '../support/pureJoin.ts'

interface Example {
  name: string
  config: OracleConfig
  events: OracleEvent[]
  samples: Partial<PureSample>[]
  ledger: { views: Record<string, number>; engagements: Record<string, number>; refused?: number }
  side?: PureSide[]
}

const examples = JSON.parse(readFileSync(new URL('../oracle/examples.json', import.meta.url), 'utf8')) as Example[]

/** The oracle's names of the ledger's counts, as ours. */
const LEDGER_NAMES: Record<string, string> = {
  'views.in': 'views',
  'views.samples': 'samples',
  'views.pending': 'pending',
  'views.duplicates': 'viewDuplicates',
  'views.conflicts': 'conflicts',
  'views.quarantined': 'viewsQuarantined',
  'engagements.in': 'engagements',
  'engagements.duplicates': 'engagementDuplicates',
  'engagements.quarantined': 'engagementsQuarantined',
}

/** Runs the events of one partition. */
function run(example: Example, partition: number, batchSize: number): PureJoin {
  const join = new PureJoin(example.config)
  let waiting: OracleEvent[] = []
  const flush = () => {
    if (waiting.length > 0) join.take(waiting)
    waiting = []
  }
  for (const event of example.events) {
    if (!event.end && (event.partition ?? 0) !== partition) continue
    if (event.end || event.watermark !== undefined) {
      flush()
      if (event.end) join.end()
      else join.watermark(event.watermark!)
      continue
    }
    if (waiting.length >= batchSize || (waiting.length > 0 && waiting[0].source !== event.source)) flush()
    waiting.push(event)
  }
  flush()
  return join
}

describe.each([1, 1000])('in batches of up to %i records', (batchSize) => {
  test.each(examples.map((e) => [e.name, e] as const))('%s', (_, example) => {
    const joins = Array.from({ length: example.config.partitions }, (_, p) => run(example, p, batchSize))
    const samples = joins.flatMap((join) => join.samples)
    expect(samples).toHaveLength(example.samples.length)
    example.samples.forEach((sample, i) => {
      expect(samples[i]).toMatchObject(sample)
    })
    for (const side of ['views', 'engagements'] as const) {
      for (const [name, count] of Object.entries(example.ledger?.[side] ?? {})) {
        const field = LEDGER_NAMES[`${side}.${name}`] ?? name
        expect([name, joins.reduce((sum, join) => sum + join.ledger[field], 0)]).toEqual([name, count])
      }
    }
    const sides = (list: readonly PureSide[]) => list.map((x) => `${x.reason} ${x.source} ${x.offset}`).sort()
    if (example.side !== undefined) expect(sides(joins.flatMap((join) => join.side))).toEqual(sides(example.side))
  })
})
