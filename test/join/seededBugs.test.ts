/**
 * The checks are not blind: each bug sown into the join makes the comparison with the oracle, a restart in the middle or
 * the look at what is left fail; without a bug all agree.
 */
import { isDeepStrictEqual } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { type Generated, generate, runOracle } from '../oracle/run.ts'
import { expectedOf, outcomeOf, runPartition } from '../support/compare.ts'
import type { OracleEvent } from '../support/pureJoin.ts'
import { BUGS } from './seededBugs.ts'
import { removeSeeded, type SeededJoin, type SeededModule, sow } from './seededJoin.ts'

// Seeds whose configurations have lateness, tolerance and a bound; small worlds, so that views compete.
const WORLD = { views: 260, users: 8, items: 3, sources: 3 }
const STREAMS = [
  stream(generate(202, { ...WORLD, copies: 0.3 })),
  stream(coarse(generate(178, { ...WORLD, beyond: 0.15 }))),
]

interface Checked extends Generated {
  readonly expected: ReturnType<typeof expectedOf>
}

function stream({ config, events }: Generated): Checked {
  return { config, events, expected: expectedOf(runOracle(config, events), 0) }
}

/** Times on a grid, so that much happens at the very moment of a deadline; some of it later than the bound, within A. */
function coarse({ config, events }: Generated): Generated {
  return {
    config: { ...config, outOfOrdernessMs: 500, allowedLatenessMs: 5000, rememberSealedMs: 60_000 },
    events: events.map((e) => (e.time === undefined ? e : { ...e, time: Math.floor(e.time / 500) * 500 })),
  }
}

const seen: string[] = []

afterAll(() => {
  removeSeeded()
  console.log(seen.join('\n'))
})

/** What the checks have against this join; undefined when nothing. */
function objection(module: SeededModule): string | undefined {
  try {
    for (const [s, { config, events, expected }] of STREAMS.entries()) {
      for (const batchSize of [1, 60]) {
        const join = new module.PureJoin(config)
        runPartition(join, events, 0, batchSize)
        if (!isDeepStrictEqual(outcomeOf(join), expected))
          return `stream ${s} in batches of ${batchSize}: not what the oracle says`
        if (join.state.needed.some((needed) => needed.lowest(-1) !== -1)) return 'an offset is needed at the end'
      }
    }
    const { config, events, expected } = STREAMS[0]
    for (const share of [0.3, 0.6]) {
      const joins = restarted(module, config, events, Math.floor(events.length * share))
      const samples = joins.flatMap((join) => outcomeOf(join).samples)
      if (!isDeepStrictEqual(samples, expected.samples)) return 'after a restart: not what the oracle says'
      if (!isDeepStrictEqual(joins[1].ledger, expected.ledger)) return 'after a restart: other counts'
    }
    return undefined
  } catch (error) {
    return `it fails: ${(error as Error).message}`
  }
}

/** The join up to record `cut`, and another that takes over from there by the log. */
function restarted(module: SeededModule, config: Generated['config'], events: readonly OracleEvent[], cut: number) {
  const first: SeededJoin = new module.PureJoin(config)
  runPartition(first, events.slice(0, cut), 0, 60)
  const second: SeededJoin = new module.PureJoin(config)
  const { clocks, ledger, needed } = first.state
  config.sources.forEach((_, source) => {
    const log = events.filter((e) => e.source === source)
    const position = events.slice(0, cut).filter((e) => e.source === source).length
    second.replay(log.slice(needed[source].lowest(position)), position)
  })
  second.finishReplay(clocks.watermarkMs, [...clocks.highestMs], ledger)
  runPartition(second, events.slice(cut), 0, 60)
  return [first, second]
}

test('the join as it is raises no objection', async () => {
  expect(objection(await sow())).toBeUndefined()
})

test('there are bugs to be seen', () => {
  expect(new Set(BUGS.map((bug) => bug.name)).size).toBe(BUGS.length)
  expect(BUGS.length).toBeGreaterThanOrEqual(12)
})

test.each(BUGS.map((bug) => [bug.name, bug] as const))('seen: %s', async (_, bug) => {
  const found = objection(await sow(bug))
  expect(found).toBeDefined()
  seen.push(`${bug.name}: ${found}`)
})
