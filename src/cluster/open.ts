/** Opens the log that a configuration names: Kafka where brokers are given, else the embedded log in the data folder. */
import { join } from 'node:path'
import type { Config } from '../config/load.ts'
import { openNoJournal } from '../journal/none.ts'
import type { JournalStore } from '../journal/port.ts'
import type { Log } from '../log/port.ts'
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

/** Opens the journal in the data folder, or none. */
export async function openJournal(config: Config, logger: Logger): Promise<JournalStore> {
  if (!config.node.journal) return openNoJournal()
  const { openRocksJournal } = await import('../journal/rocks.ts')
  return openRocksJournal({ folder: join(config.node.dataDir, 'journal'), logger: logger as never })
}
