/**
 * The repartitioner as a process of its own: several share the source partitions, as nodes do.
 *
 * How it fails: one line and exit code 1; SIGTERM and SIGINT end it with what is in hand written and committed, and 0.
 */
import { makeLogger } from '../cluster/logger.ts'
import type { Logger } from '../cluster/node.ts'
import { openLog } from '../cluster/open.ts'
import { setUp } from '../cluster/setup.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import { repartitionStatus } from '../inspect/repartition.ts'
import { systemClock } from '../time/clock.ts'
import { joinReaders, startRepartitioner } from './open.ts'
import type { Repartitioner } from './repartitioner.ts'

/** It has no control server: its log says how far it is. */
const REPORT_EVERY_MS = 30_000

export async function runRepartitioner(config: Config, id: string): Promise<number> {
  const { pipeline, node } = config
  const logger = makeLogger(node.log.level, { node: id })
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
  const readers = await Promise.all(pipeline.sources.map((source) => openSourceReader(source, pipeline.limits)))
  const log = await openLog(config, id, logger)
  try {
    await setUp({ log, config, readers: joinReaders(pipeline, readers), logger })
    const repartitioner = await startRepartitioner({ config, log, readers, logger })
    const reporting = setInterval(() => report(repartitioner, logger), REPORT_EVERY_MS)
    await Promise.race([stopped, repartitioner.failed]).finally(() => clearInterval(reporting))
    await repartitioner.stop()
    logger.info({ records: repartitioner.records }, 'stopped')
    return 0
  } finally {
    await log.close()
  }
}

function report({ view }: Repartitioner, logger: Logger): void {
  const { records, lag, lagMs } = repartitionStatus(view, systemClock.wallMs())
  logger.info({ records, lag, lagMs }, 'repartitioned so far')
}
