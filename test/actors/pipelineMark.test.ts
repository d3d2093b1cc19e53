/** A commit that another pipeline made: what is gone has no value, and what was sealed stays so. */
import { describe, expect, it } from 'vitest'
import { markOf, PipelineError, takeOver } from '../../src/actors/pipelineMark.ts'
import { decodeMetadata, encodeMetadata, type Position } from '../../src/actors/position.ts'
import { dumpState } from '../support/dumpState.ts'
import { type OracleConfig, type OracleEvent, PureJoin } from '../support/pureJoin.ts'

type Label = OracleConfig['labels'][number]

const label = (name: string, more: Partial<Label> = {}): Label => ({
  name,
  on: name,
  withinMs: 1000,
  fold: 'any',
  default: 0,
  ...more,
})

const config = (labels: Label[], more: Partial<OracleConfig> = {}): OracleConfig => ({
  partitions: 1,
  sources: ['views', 'engagements'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 10_000,
  maxClockSkewMs: null,
  labels,
  ...more,
})

const view = (offset: number, item: string, time: number): OracleEvent => ({ source: 0, offset, user: 'u', item, time })
const engagement = (offset: number, item: string, type: string, time: number): OracleEvent => ({
  ...view(offset, item, time),
  source: 1,
  type,
})

/** What a join would commit now, as it comes back from Kafka. */
function committed({ state }: PureJoin): Position {
  const at = (source: number) => ({ offset: 10, highestMs: state.clocks.highestMs[source], neededFrom: 0 })
  const sources = new Map([
    ['views', at(0)],
    ['engagements', at(1)],
  ])
  const { watermarkMs } = state.clocks
  const position = { watermarkMs, sources, deadLettersFrom: 0, ledger: [...state.ledger], pipeline: markOf(state) }
  return decodeMetadata(encodeMetadata(position), new Map([...sources].map(([topic, { offset }]) => [topic, offset])))
}

function takenOver(next: OracleConfig, at: Position, events: readonly OracleEvent[]): PureJoin {
  const join = new PureJoin(next)
  takeOver(join.state, at, 3)
  for (const event of events) join.replay([event], 10)
  join.finishReplay(
    at.watermarkMs,
    [...at.sources.values()].map(({ highestMs }) => highestMs),
    at.ledger,
  )
  return join
}

/** A view whose purchase was given up as of no label, and one that is younger than that. */
const EVENTS = [view(0, 'a', 0), engagement(0, 'a', 'buy', 5), engagement(1, 'a', 'click', 150), view(1, 'b', 200)]
function joined(labels = [label('click')]): PureJoin {
  const join = new PureJoin(config(labels))
  for (const event of EVENTS) join.take([event])
  expect(join.state.clocks.watermarkMs).toBe(150)
  return join
}
const LATER = [engagement(2, 'b', 'buy', 210), view(2, 'c', 5000), engagement(3, 'c', 'skip', 5000)]
const labelsOf = (join: PureJoin) => Object.fromEntries(join.samples.map(({ item_id: item, labels }) => [item, labels]))

describe('a label that is new', () => {
  const wider = config([label('click'), label('buy', { default: null })])

  it('is null for views whose engagements nobody kept, and known for younger ones', () => {
    const join = takenOver(wider, committed(joined()), EVENTS)
    for (const event of LATER) join.take([event])
    expect(labelsOf(join)).toEqual({ a: { click: 1, buy: null }, b: { click: 0, buy: 1 } })
    expect(join.samples[0].delays_ms).toEqual({ click: 150, buy: null })
  })

  it('is so in every repetition: the next commits tell it, until no such view is left', () => {
    const first = takenOver(wider, committed(joined()), EVENTS)
    const again = takenOver(wider, committed(first), EVENTS)
    for (const event of LATER) again.take([event])
    expect(labelsOf(again)).toEqual({ a: { click: 1, buy: null }, b: { click: 0, buy: 1 } })
    expect(Object.keys(markOf(first.state).since)).toHaveLength(1)
    again.watermark(20_000)
    expect(markOf(again.state).since).toEqual({})
  })

  it('is refused where it must have a value, while views are pending', () => {
    const at = committed(joined())
    const refused = () => takenOver(config([label('click'), label('buy')]), at, EVENTS)
    expect(refused).toThrow(PipelineError)
    expect(refused).toThrow(/partition 3: labels\.buy is new or changed.*default: null/)
  })

  it('is new with another window, type or fold, and not with another name or default', () => {
    const at = committed(joined())
    for (const more of [{ withinMs: 900 }, { on: 'tap' }, { fold: 'count' as const }]) {
      const changed = config([label('click', more), label('rest', { on: 'x', default: null })])
      expect(() => takenOver(changed, at, EVENTS), JSON.stringify(more)).toThrow(/labels\.click/)
    }
    const renamed = takenOver(config([label('tapped', { on: 'click', default: null })]), at, EVENTS)
    for (const event of LATER) renamed.take([event])
    expect(labelsOf(renamed)).toEqual({ a: { tapped: 1 }, b: { tapped: null } })
  })
})

describe('a change of when views are sealed', () => {
  it('is refused while something is pending, with the key and both values', () => {
    const at = committed(joined())
    const longer = config([label('click', { withinMs: 3000 })])
    expect(() => takenOver(longer, at, EVENTS)).toThrow(/longest within.* was 1000 ms and is 3000 ms/)
    const later = config([label('click')], { allowedLatenessMs: 7 })
    expect(() => takenOver(later, at, EVENTS)).toThrow(/time\.allowedLateness was 0 ms and is 7 ms/)
    const tolerant = config([label('click')], { clockSkewToleranceMs: 5 })
    expect(() => takenOver(tolerant, at, EVENTS)).toThrow(/time\.clockSkewTolerance/)
  })

  it('goes for what the clocks go by too: a replay would take for quarantined what the other clock has not reached', () => {
    const at = committed(joined())
    const later = config([label('click')], { basis: 'arrival' })
    expect(() => takenOver(later, at, EVENTS)).toThrow(/partition 3: time\.basis was event and is arrival now, while/)
    const { basis: _, ...older } = at.pipeline!
    expect(() => takenOver(later, { ...at, pipeline: older }, EVENTS)).not.toThrow()
    expect(() => takenOver(later, { ...at, ledger: at.ledger.map(() => 0) }, [])).not.toThrow()
  })

  it('leaves sealed what was sealed, though the new rules would wait longer', () => {
    const join = joined()
    join.watermark(1_500)
    expect(join.ledger).toMatchObject({ pending: 0, undecided: 0, samples: 2 })
    const longer = config([label('click', { withinMs: 3000 })])
    const next = takenOver(longer, committed(join), EVENTS)
    expect(dumpState(next.state)).toMatchObject({ pending: [], undecided: [] })
    // Still so at the start after it, and a copy is a copy.
    const again = takenOver(longer, committed(next), EVENTS)
    again.take([{ ...view(10, 'b', 200) }])
    expect(again.ledger).toMatchObject({ pending: 0, viewDuplicates: 1 })
    again.end()
    expect(again.samples).toEqual([])
  })

  it('has engagements that come for times before it decided as they come, and at the start after it too', () => {
    const join = joined()
    join.watermark(1_500)
    const patient = config([label('click')], { allowedLatenessMs: 700 })
    const next = takenOver(patient, committed(join), EVENTS)
    const late = engagement(2, 'b', 'click', 1_000)
    next.take([late])
    expect(next.ledger).toMatchObject({ undecided: 0, late: 1 })
    const again = takenOver(patient, committed(next), [...EVENTS, late])
    expect(again.ledger.undecided).toBe(dumpState(again.state).undecided.length)
  })
})

it('a commit of the same pipeline changes nothing, and one without its mark is taken for the same', () => {
  const at = committed(joined())
  const { pipeline: _, ...unmarked } = at
  for (const position of [at, unmarked]) {
    const join = takenOver(config([label('click')]), position, EVENTS)
    for (const event of LATER) join.take([event])
    expect(labelsOf(join)).toEqual({ a: { click: 1 }, b: { click: 0 } })
  }
})
