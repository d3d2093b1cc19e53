/** An explainer of a configuration's pipeline: of its sources as they are joined, or of the topic they are rewritten into. */
import { rulesOf } from '../cluster/rules.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Config } from '../config/load.ts'
import type { Log } from '../log/port.ts'
import { toldClocksOf } from '../repartition/clocks.ts'
import { joinReaders } from '../repartition/open.ts'
import { openSampleTopic } from './emission.ts'
import { Explainer, type ExplainerOptions } from './explain.ts'

export interface OpenOptions extends Pick<ExplainerOptions, 'asOf' | 'nowMs'> {
  readonly config: Pick<Config, 'pipeline'>
  readonly log: Log
  /** Of the pipeline's sources, in their order. */
  readonly sources: readonly SourceReader[]
}

export async function openExplainer({ config, log, sources, asOf, nowMs }: OpenOptions): Promise<Explainer> {
  const { pipeline } = config
  const rules = rulesOf(config)
  return new Explainer({
    log,
    pipeline,
    rules,
    readers: joinReaders(pipeline, sources),
    makeClocks: await toldClocksOf(log, pipeline, rules),
    samples: await openSampleTopic(pipeline),
    asOf,
    nowMs,
  })
}
