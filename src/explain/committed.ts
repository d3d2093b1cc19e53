/** Explains from a log where no node is asked: as of what the group has committed. */
import { joinTopics } from '../cluster/topics.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import type { Log } from '../log/port.ts'
import { committedAsOf } from './asOf.ts'
import type { Explainer } from './explain.ts'
import { openExplainer } from './open.ts'

export async function committedExplainer(config: Pick<Config, 'pipeline' | 'node'>, log: Log): Promise<Explainer> {
  const { pipeline, node } = config
  const topics = joinTopics(pipeline)
  return openExplainer({
    config,
    log,
    sources: await Promise.all(pipeline.sources.map((source) => openSourceReader(source, pipeline.limits))),
    asOf: (partition) => committedAsOf(log, node.group, topics, partition),
    nowMs: () => performance.now(),
  })
}
