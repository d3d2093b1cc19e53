/**
 * What the long tests share with the benchmark: its workload and its topics, against the program built from this
 * checkout's src, on a real broker.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../../bench/measures.mjs'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { openKafkaLog } from '../../src/log/kafka/kafkaLog.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { type Mutation, translatedProgram } from './program.ts'
import { tempDir } from './tempDir.ts'

const PARTITIONS = 4

export interface BenchWorld extends World {
  close(): Promise<void>
}

/** With mutations: a program with bugs put in. */
export async function openBenchWorld(brokers: string, mutations: readonly Mutation[] = []): Promise<BenchWorld> {
  const [program, dir] = await Promise.all([translatedProgram(mutations), tempDir()])
  const kafka = { brokers: [brokers], sessionTimeoutMs: 30_000 }
  const log = await openKafkaLog({ kafka, clientId: 'bench' })
  const placeOf = (user: number) => {
    const key = Buffer.from(String(user))
    return { key, partition: partitionOf(murmur2(key, 0, key.length), PARTITIONS) }
  }
  const folder = join(dir.path, 'nodes')
  await mkdir(folder)
  return {
    folder,
    program: program.folder,
    brokers,
    node: process.execPath,
    built: { log, RecordBatchBuilder, placeOf, close: () => log.close() },
    async close() {
      await log.close()
      await Promise.all([program.remove(), dir.remove()])
    },
  }
}
