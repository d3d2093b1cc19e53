/**
 * Which kills of a crash run count: samples were made in the second before, and views were pending.
 *
 * A run counts by what the node tells and has committed, and stops when it has enough; the log has the last word. So a
 * run counts no kill that the log would not.
 */
import { expect } from 'vitest'
import type { Outcome } from './crashCheck.ts'
import type { Delivery } from './crashPipeline.ts'
import type { Harm } from './crashRun.ts'

export interface Kill {
  readonly harm: Harm
  readonly atMs: number
  /** Views that were pending, as the node told last. */
  readonly pending: number
  /** Samples of the second before the kill, up to it, that a commit stood behind. */
  readonly durable: number
}

export interface Look {
  /** Before it was asked: what it does not tell of came later. */
  readonly atMs: number
  readonly samples: number
  readonly pending: number
}

/** By the log, which has the last word, a kill counts where a sample has a stamp of so long before or less. */
const BEFORE_KILL_MS = 1_000
/** A sample has the stamp of the pass that makes it: on a busy machine it is told a while after that. */
const PASS_MS = 250

/** That as many kills as were asked for count, by what lies in the log: samples made in the second before, views pending. */
export function expectKills(
  run: { readonly kills: readonly Kill[]; readonly garbage: number; readonly skewed: number },
  outcome: Outcome,
  kills: number,
  delivery: Delivery = 'at-least-once',
): void {
  const counted = run.kills.filter(({ atMs, pending }) => {
    return pending > 0 && outcome.madeAtMs.some((madeAtMs) => madeAtMs > atMs - BEFORE_KILL_MS && madeAtMs <= atMs)
  })
  expect(counted.length).toBeGreaterThanOrEqual(kills)
  expect(outcome.samples).toBeGreaterThan(kills * 20)
  expect(outcome.bound).toBeGreaterThan(kills * 20)
  expect(outcome.badEvents).toBe(run.garbage + run.skewed)
  if (delivery === 'at-least-once') expect(outcome.repeated).toBeGreaterThan(0)
  else expect(outcome).toMatchObject({ repeated: 0, repeatedBeside: 0 })
}

/** That each kind of harm was done: among them the journal gone, cut short, older and newer than the commit. */
export function expectAllHarms({ harms }: { readonly harms: ReadonlyMap<Harm, number> }): void {
  for (const [harm, times] of harms) expect(times, harm).toBeGreaterThan(0)
}

/** What was made in less than the second before, after `from` samples, and views pending, as far as it is known. */
export function lastSecond(looks: readonly Look[], atMs: number): { made: number; from: number; pending: number } {
  const before = looks.filter((look) => look.atMs > atMs - BEFORE_KILL_MS + PASS_MS)
  const from = before[0]?.samples ?? 0
  const last = before.at(-1)
  return { made: (last?.samples ?? from) - from, from, pending: last?.pending ?? 0 }
}
