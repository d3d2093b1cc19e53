/**
 * Asks the log where its partitions end, and tells the partitions: being caught up must be asked for, since an empty
 * answer to a fetch reaches nobody. Silence is counted from when each question was sent. Of a partition without a leader
 * nothing is learned, and the others are told nevertheless.
 */
import type { Partition } from '../actors/partition.ts'
import type { Log } from '../log/port.ts'
import type { Clock } from '../time/clock.ts'

export interface EndsOptions {
  readonly log: Log
  readonly topics: readonly string[]
  readonly partition: (index: number) => Partition | undefined
  readonly clock: Clock
  readonly everyMs: number
  readonly onTrouble: (error: Error) => void
}

export class EndsPoller {
  private readonly options: EndsOptions
  private timer: NodeJS.Timeout | undefined
  private asking: Promise<void> = Promise.resolve()
  private readonly ticking = new Set<Partition>()

  constructor(options: EndsOptions) {
    this.options = options
  }

  start(): void {
    this.timer = setTimeout(() => {
      this.asking = this.ask().finally(() => {
        if (this.timer !== undefined) this.start()
      })
    }, this.options.everyMs)
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    await this.asking
  }

  private async ask(): Promise<void> {
    const { log, topics, partition, clock } = this.options
    const askedAtMs = clock.monotonicMs()
    try {
      const asked = new Set<Partition>()
      for (const end of await log.ends(topics, 'led')) {
        const owned = partition(end.partition)
        if (owned === undefined) continue
        owned.heardEnd(topics.indexOf(end.topic), end.high, askedAtMs)
        asked.add(owned)
      }
      for (const owned of asked) this.tick(owned)
    } catch (error) {
      // Nothing was learned, so nothing counts as silence; the next answer starts anew.
      this.options.onTrouble(error as Error)
    }
  }

  /** Not waited for: one that stands still, since its output takes nothing, does not stop the clocks of all. */
  private tick(partition: Partition): void {
    if (this.ticking.has(partition)) return
    this.ticking.add(partition)
    const done = (): void => void this.ticking.delete(partition)
    partition.tick().then(done, done)
  }
}
