/** What the embedded log's own tests share: opening one, and writing and reading numbered records. */
import { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from '../../../src/log/embedded/log.ts'
import type { Log } from '../../../src/log/port.ts'
import { type EncodedBatch, RecordBatchBuilder } from '../../../src/log/recordBatch/builder.ts'

export function openAt(folder: string, options: Partial<EmbeddedLogOptions> = {}): Promise<EmbeddedLog> {
  const retentionMs = Number.POSITIVE_INFINITY
  return openEmbeddedLog({ folder, fsyncMs: 0, segmentBytes: 1 << 20, retentionMs, partitions: 1, ...options })
}

/** A batch of records whose keys are the numbers from `from` up to `to`. */
export function numbers(from: number, to: number, stampMs = 1000, valueBytes = 20): EncodedBatch {
  const builder = new RecordBatchBuilder({ compression: 'none' })
  const value = Buffer.alloc(valueBytes, 'v')
  for (let i = from; i < to; i++) {
    const key = Buffer.from(`${i}`)
    builder.add(stampMs, key, 0, key.length, value, 0, value.length)
  }
  return builder.finish()
}

/** The keys of [from, to) as numbers; without `to`, up to the end. */
export async function keysIn(log: Log, topic: string, from = 0, to?: number): Promise<number[]> {
  const [{ high }] = await log.ends([topic])
  const keys: number[] = []
  for await (const chunk of log.readRange(topic, 0, from, to ?? high)) {
    for (let i = 0; i < chunk.count; i++) {
      keys.push(Number(chunk.bytes.toString('utf8', chunk.keyAt[i], chunk.keyAt[i] + chunk.keyLength[i])))
    }
  }
  return keys
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Random whole numbers below a limit, the same for the same seed. */
export function seeded(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * limit)
  }
}
