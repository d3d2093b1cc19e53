/**
 * What a node does before it joins its group: topics made and checked, keying looked at.
 *
 * How it fails: a SetupError where topics cannot be used (wrong use); an Error where records lie in wrong partitions and
 * `onMiskeyed` is `stop`. Warnings are logged.
 */
import type { SourceReader } from '../codec/port.ts'
import type { Log } from '../log/port.ts'
import type { Finding } from './finding.ts'
import { checkKeying } from './keying.ts'
import { ensureTopics, joinTopics, type TopicsConfig } from './topics.ts'

export interface SetupOptions {
  readonly log: Log
  readonly config: TopicsConfig
  readonly readers: readonly SourceReader[]
  readonly logger: { warn(fields: object, message: string): void }
}

export async function setUp({ log, config, readers, logger }: SetupOptions): Promise<void> {
  warn(await ensureTopics(log, config), logger)
  const keying = await checkKeying({
    log,
    readers,
    topics: joinTopics(config.pipeline),
    onMiskeyed: config.pipeline.onMiskeyed,
    group: config.node.group,
  })
  warn(keying, logger)
  const problem = keying.find((finding) => finding.state === 'problem')
  if (problem !== undefined) throw new Error(problem.message)
}

function warn(findings: readonly Finding[], logger: SetupOptions['logger']): void {
  for (const { check, subject, state, message } of findings) {
    if (state === 'warning') logger.warn({ check, topic: subject }, message)
  }
}
