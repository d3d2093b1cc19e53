/** What a pipeline's configuration means to the join, and to the watch on its delays. */
import type { Config } from '../config/load.ts'
import { DelayWatch } from '../delays/watch.ts'
import { compileRules, type Rules } from '../join/rules.ts'
import type { Clock } from '../time/clock.ts'

export function rulesOf(config: Pick<Config, 'pipeline'>): Rules {
  const { labels, time, onMiskeyed } = config.pipeline
  return compileRules({ labels, ...time, onMiskeyed })
}

/** Undefined where nobody asks for delays. */
export function watchOf({ node }: Config, rules: Rules, clock: Clock): DelayWatch | undefined {
  const { horizonMs, memoryBytes } = node.delays
  return horizonMs === 0 ? undefined : new DelayWatch({ rules, horizonMs, memoryBytes, startedMs: clock.wallMs() })
}
