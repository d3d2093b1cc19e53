/** What a node joins when its sources are repartitioned, and the repartitioner beside it or as a process of its own. */
import type { Logger } from '../cluster/node.ts'
import { rulesOf } from '../cluster/rules.ts'
import type { SourceReader } from '../codec/port.ts'
import type { Config } from '../config/load.ts'
import type { Pipeline } from '../config/model.ts'
import type { Log } from '../log/port.ts'
import { systemClock } from '../time/clock.ts'
import { ConsolidatedReader } from './consolidatedReader.ts'
import { Repartitioner } from './repartitioner.ts'

/** Readers of the topics that are joined: the sources' own, or one for all of them. */
export function joinReaders(pipeline: Pipeline, sources: readonly SourceReader[]): readonly SourceReader[] {
  if (pipeline.repartition === undefined) return sources
  const topics = pipeline.sources.map(({ topic }) => topic)
  return [new ConsolidatedReader(topics, sources)]
}

export interface StartOptions {
  readonly config: Config
  readonly log: Log
  /** Of the pipeline's sources, in their order. */
  readonly readers: readonly SourceReader[]
  readonly logger: Logger
  /** As the members of its group are told who it is (cluster/member.ts). */
  readonly memberInfo?: () => Buffer
}

export async function startRepartitioner(options: StartOptions): Promise<Repartitioner> {
  const { config, logger } = options
  const started = await Repartitioner.start({
    ...options,
    rules: rulesOf(config),
    clock: systemClock,
    onTrouble: (error) => logger.warn({ error: error.message }, 'the repartitioner waits'),
  })
  logger.info({ topic: config.pipeline.repartition?.topic }, 'repartitioning')
  return started
}
