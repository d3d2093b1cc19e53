/**
 * A log whose transactional calls and assignments are written down in their order, and whose commits can be made to end
 * in a way that brokers seldom do.
 */
import {
  type CommitEntry,
  type Log,
  LogError,
  type Reader,
  type ReaderOptions,
  type TransactionalWriter,
} from '../../src/log/port.ts'
import type { EncodedBatch } from '../../src/log/recordBatch/builder.ts'

/** How the next commit of a partition ends: done and not answered, not done and not answered, or refused by the group. */
export type Trouble = 'committed, unanswered' | 'not committed, unanswered' | 'refused'

export class Recorded {
  /** `open 2`, `committed 0,2`, `append 2`, `commit 2`, `commit 2 FENCED`, `release 2`, `assigned 0,2`, `began 0,2`, `rejoin`. */
  readonly calls: string[] = []
  readonly trouble = new Map<number, Trouble>()
  /** The node's own, behind what is written down. */
  inner: Reader | undefined

  /** The calls that concern the partition: those that name it, or nobody. */
  of(partition: number): string[] {
    return this.calls.filter((call) => {
      const numbers = call.split(' ')[1]
      return numbers === undefined || numbers.split(',').includes(String(partition))
    })
  }

  log(log: Log): Log {
    return new Proxy(log, {
      get: (target, name) => {
        if (name === 'reader') return (options: ReaderOptions) => this.reader(target, options)
        if (name === 'transactionalWriter') {
          return async (group: string, timeoutMs: number) =>
            this.writer(await target.transactionalWriter!(group, timeoutMs))
        }
        const value = target[name as keyof Log]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  private reader(log: Log, options: ReaderOptions): Reader {
    const reader = log.reader({
      ...options,
      onAssigned: async (partitions) => {
        this.calls.push(`assigned ${partitions}`)
        const starts = await options.onAssigned(partitions)
        this.calls.push(`began ${partitions}`)
        return starts
      },
    })
    this.inner = reader
    return {
      start: () => reader.start(),
      commit: (entries) => {
        this.calls.push(`outside ${entries.map(({ partition }) => partition)}`)
        return reader.commit(entries)
      },
      pause: (partition) => reader.pause(partition),
      resume: (partition) => reader.resume(partition),
      rejoin: () => {
        this.calls.push('rejoin')
        reader.rejoin!()
      },
      close: () => reader.close(),
    }
  }

  private writer(writer: TransactionalWriter): TransactionalWriter {
    return {
      isSealing: writer.isSealing,
      open: (partition) => this.told(`open ${partition}`, () => writer.open(partition)),
      committed: (topics, partitions) =>
        this.told(`committed ${partitions}`, () => writer.committed(topics, partitions)),
      // What a partition that is being given up still has in hand is refused, and is no append.
      append: async (topic, partition, batch: EncodedBatch) => {
        const offset = await writer.append(topic, partition, batch)
        this.calls.push(`append ${partition}`)
        return offset
      },
      cut: (partition) => writer.cut(partition),
      commit: (partition, entries) => this.told(`commit ${partition}`, () => this.commit(writer, partition, entries)),
      release: (partition) => this.told(`release ${partition}`, () => writer.release(partition)),
      close: () => writer.close(),
    }
  }

  private async commit(writer: TransactionalWriter, partition: number, entries: () => readonly CommitEntry[]) {
    const trouble = this.trouble.get(partition)
    this.trouble.delete(partition)
    if (trouble === undefined || trouble === 'committed, unanswered') await writer.commit(partition, entries)
    if (trouble !== undefined) throw new LogError(trouble === 'refused' ? 'NOT_OWNER' : 'UNKNOWN_OUTCOME', trouble)
  }

  /** Before the call, and after one that failed. */
  private async told<T>(call: string, body: () => Promise<T>): Promise<T> {
    this.calls.push(call)
    try {
      return await body()
    } catch (error) {
      this.calls.push(`${call} ${(error as LogError).code}`)
      throw error
    }
  }
}
