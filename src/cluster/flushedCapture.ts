/**
 * A partition's capture on its way to a commit: taken when the partition comes to it, and of use once the output of
 * before is durable.
 *
 * How it fails: a capture or flush that fails is told once to `onFailed`; it is over then.
 */
import type { Partition } from '../actors/partition.ts'
import type { Capture } from '../actors/partitionOptions.ts'

export class FlushedCapture {
  readonly partition: Partition
  /** Undefined until it is taken, and where nothing has changed since the last commit. */
  capture: Capture | undefined
  /** All output of what it names is. */
  isDurable = false
  /** It failed. */
  isOver = false
  /** From the capture until that. */
  flushMs = 0
  /** Resolves when it is durable or over. */
  readonly settled: Promise<void>
  private isAbandoned = false

  /** `lastBatch`: of the last commit. */
  constructor(partition: Partition, lastBatch: number | undefined, onFailed: (error: Error) => void) {
    this.partition = partition
    this.settled = this.take(lastBatch).catch((error: Error) => {
      this.isOver = true
      if (!this.isAbandoned) onFailed(error)
    })
  }

  /** It will not be committed. */
  abandon(): void {
    this.isAbandoned = true
    if (this.capture !== undefined) this.partition.abandoned(this.capture)
  }

  private async take(lastBatch: number | undefined): Promise<void> {
    const capture = await this.partition.capture()
    const startedMs = performance.now()
    if (this.isAbandoned || capture.batchNumber === lastBatch) this.partition.abandoned(capture)
    else {
      this.capture = capture
      await this.partition.flushed()
      this.flushMs = performance.now() - startedMs
    }
    this.isDurable = true
  }
}
