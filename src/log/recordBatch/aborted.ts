/**
 * Which batches of a fetch are no data: control batches, and those of transactions that were aborted.
 *
 * Invariant: `leavesOut` is asked batch by batch, in the order of the log. A producer's transaction is open from the
 * first offset that the broker names until the producer's next control batch.
 */
import * as layout from './layout.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export class AbortedProducers {
  private readonly waiting: AbortedTransaction[]
  private readonly open = new Set<bigint>()

  constructor(transactions: readonly AbortedTransaction[]) {
    this.waiting = [...transactions].sort((a, b) => b.firstOffset - a.firstOffset)
  }

  leavesOut(batch: Buffer, lastOffset: number): boolean {
    const attributes = batch.readInt16BE(layout.ATTRIBUTES)
    const control = (attributes & layout.CONTROL) !== 0
    if (!control && (attributes & layout.TRANSACTIONAL) === 0) return false
    while (this.waiting.length > 0 && this.waiting[this.waiting.length - 1].firstOffset <= lastOffset) {
      this.open.add(this.waiting.pop()!.producerId)
    }
    if (!control && this.open.size === 0) return false
    const producerId = batch.readBigInt64BE(layout.PRODUCER_ID)
    if (control) this.open.delete(producerId)
    return control || this.open.has(producerId)
  }
}
