/** The clocks with which a partition of a consolidated topic is joined: told, one for each partition of the sources. */
import { sourceTopics } from '../cluster/topics.ts'
import type { Pipeline } from '../config/model.ts'
import type { Rules } from '../join/rules.ts'
import { ToldClocks } from '../join/toldClocks.ts'
import type { Log } from '../log/port.ts'
import { nameOf } from './origin.ts'

/** Undefined where the sources are joined as they are. */
export async function toldClocksOf(
  log: Log,
  pipeline: Pipeline,
  rules: Rules,
): Promise<(() => ToldClocks) | undefined> {
  if (pipeline.repartition === undefined) return undefined
  const infos = await log.topics(sourceTopics(pipeline))
  const names = infos.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => nameOf(topic, partition)),
  )
  return () => new ToldClocks(rules, names)
}
