/**
 * Makes a finished record batch one of an idempotent producer's transaction: who wrote it, and with which sequence
 * number it begins. The checksum covers that, so it is computed here, and left out where the batch was built (builder.ts).
 */
import { crc32c } from '@node-rs/crc32'
import * as layout from './layout.ts'

export interface ProducerStamp {
  readonly producerId: bigint
  readonly epoch: number
  /** Of the batch's first record: counted over the records of a topic partition from 0 on, per epoch. */
  readonly sequence: number
}

/** Sequence numbers are 31 bits, and begin anew at 0. */
const SEQUENCES = 2 ** 31

export function stampProducer(bytes: Buffer, { producerId, epoch, sequence }: ProducerStamp): void {
  bytes.writeInt16BE(bytes.readInt16BE(layout.ATTRIBUTES) | layout.TRANSACTIONAL, layout.ATTRIBUTES)
  bytes.writeBigInt64BE(producerId, layout.PRODUCER_ID)
  bytes.writeInt16BE(epoch, layout.PRODUCER_EPOCH)
  bytes.writeInt32BE(sequence, layout.BASE_SEQUENCE)
  bytes.writeUInt32BE(crc32c(bytes.subarray(layout.ATTRIBUTES)), layout.CRC)
}

export function nextSequence(sequence: number, records: number): number {
  return (sequence + records) % SEQUENCES
}
