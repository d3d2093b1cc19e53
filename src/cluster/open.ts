/** Opens the log that a configuration names: Kafka where brokers are given, else the embedded log in the data folder. */
import { join } from 'node:path'
import type { Config } from '../config/load.ts'
import { openNoJournal } from '../journal/none.ts'
import type { JournalStore } from '../journal/port.ts'
import type { Log } from '../log/port.ts'
import { FolderSnapshots } from '../snapshots/folder.ts'
import type { SnapshotStore } from '../snapshots/port.ts'
import { TopicSnapshots } from '../snapshots/topic.ts'
import type { Logger } from './node.ts'

export async function openLog(config: Config, clientId: string, logger: Logger): Promise<Log> {
  const { kafka, dataDir, embedded } = config.node
  if (kafka !== undefined) {
    const { openKafkaLog } = await import('../log/kafka/kafkaLog.ts')
    return openKafkaLog({ kafka, clientId, logger: logger as never })
  }
  const { openEmbeddedLog } = await import('../log/embedded/log.ts')
  return openEmbeddedLog({ folder: join(dataDir, 'log'), ...embedded, logger: logger as never })
}

/** Opens where snapshots are shared; undefined where they are not. */
export function openSnapshots({ node }: Pick<Config, 'node'>, log: Log): SnapshotStore | undefined {
  const to = node.snapshots?.to
  if (to === undefined) return undefined
  // Pipelines may share a folder; a topic is one pipeline's.
  return to.type === 'folder' ? new FolderSnapshots(join(to.folder, node.group)) : new TopicSnapshots(log, to.topic)
}

/** What the journal has not yet in files takes memory beside the state: in proportion to it, within these. */
const WRITE_BUFFER_SHARE = 1 / 8
const WRITE_BUFFER_LEAST_BYTES = 2 * 2 ** 20
const WRITE_BUFFER_MOST_BYTES = 16 * 2 ** 20

/** Opens the journal in the data folder, or none. */
export async function openJournal(config: Config, logger: Logger): Promise<JournalStore> {
  if (!config.node.journal) return openNoJournal()
  const { openRocksJournal } = await import('../journal/rocks.ts')
  const share = config.node.memory.stateBytes * WRITE_BUFFER_SHARE
  const writeBufferBytes = Math.floor(Math.min(Math.max(share, WRITE_BUFFER_LEAST_BYTES), WRITE_BUFFER_MOST_BYTES))
  return openRocksJournal({
    folder: join(config.node.dataDir, 'journal'),
    writeBufferBytes,
    logger: logger as never,
  })
}
