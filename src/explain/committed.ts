/** Explains from a log where no node is asked: as of what the group has committed. */
import { rulesOf } from '../cluster/rules.ts'
import { sourceTopics } from '../cluster/topics.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import type { Log } from '../log/port.ts'
import { committedAsOf } from './asOf.ts'
import { openSampleTopic } from './emission.ts'
import { Explainer } from './explain.ts'

export async function committedExplainer(
  { pipeline, node }: Pick<Config, 'pipeline' | 'node'>,
  log: Log,
): Promise<Explainer> {
  const topics = sourceTopics(pipeline)
  return new Explainer({
    log,
    pipeline,
    rules: rulesOf({ pipeline }),
    readers: await Promise.all(pipeline.sources.map((source) => openSourceReader(source, pipeline.limits))),
    samples: await openSampleTopic(pipeline),
    asOf: (partition) => committedAsOf(log, node.group, topics, partition),
    nowMs: () => performance.now(),
  })
}
