/** What of a partition is told in the node's log: places of records, never what they hold. */
import type { PartitionOptions } from '../actors/partitionOptions.ts'
import type { Logger } from './node.ts'

export function toldOf(
  logger: Logger,
  topics: readonly string[],
  partition: number,
): Pick<PartitionOptions, 'onTrouble' | 'onNote' | 'onDeadLetter' | 'onUnreadable' | 'onRestarted'> {
  return {
    onTrouble: (error) => logger.warn({ partition, error: error.message }, 'a partition waits'),
    onNote: (fields, message) => logger.info({ partition, ...fields }, message),
    onDeadLetter: (source, offset) =>
      logger.warn(
        { topic: topics[source], partition, offset },
        'a record went to the dead letters: its reason is in its headers there',
      ),
    onUnreadable: (source, offset) =>
      logger.warn(
        { topic: topics[source], partition, offset },
        'an engagement that was given up cannot be read any more: its side output says where it lies and why',
      ),
    // Without the error's text, which may quote what the record holds; the dead letter of a second crash has it.
    onRestarted: (source, offset, error) =>
      logger.warn(
        { topic: topics[source], partition, offset, error: error instanceof Error ? error.name : typeof error },
        'a record crashed its user\u2019s actor, which was restarted',
      ),
  }
}
