/** A node that is told to stop while the group is giving it partitions: it waits for itself, and opens nothing afterwards. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { setUp } from '../../src/cluster/setup.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { Log, Reader, ReaderOptions } from '../../src/log/port.ts'
import { PARTITIONS, writeConfig } from '../support/crashPipeline.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const SILENT = { info() {}, warn() {}, error() {} }
const NUMBERS = Array.from({ length: PARTITIONS }, (_, number) => number)

let dir: TempDir
beforeAll(async () => {
  dir = await tempDir()
})
afterAll(() => dir.remove())

/** As Kafka's: an assignment is under way on its own, and leaving the group does not wait for it. */
function readerOf({ onAssigned }: ReaderOptions): Reader {
  return {
    start: async () => void onAssigned(NUMBERS),
    close: async () => {},
    commit: async () => {},
    pause() {},
    resume() {},
  } as unknown as Reader
}

test('a stop waits for the assignment that is under way, and no journal is opened after it', async () => {
  const folder = join(dir.path, 'config')
  await writeConfig(folder, { dataFolder: join(dir.path, 'data'), isJournalOn: true })
  const config = loadConfig(folder, {})
  const { sources, limits } = config.pipeline
  const readers = await Promise.all(sources.map((source) => openSourceReader(source, limits)))
  const settings = { fsyncMs: 0, segmentBytes: 2 ** 20, retentionMs: 2 ** 40, partitions: PARTITIONS }
  const log = await openEmbeddedLog({ folder: join(dir.path, 'log'), ...settings })
  await setUp({ log, config, readers, logger: SILENT })
  let answer = (): void => {}
  let asked = (): void => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const slow = new Promise<void>((resolve) => {
    answer = resolve
  })
  const slowLog = new Proxy(log as Log, {
    get(target, name) {
      if (name === 'reader') return readerOf
      if (name !== 'committed') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
      return async (...given: Parameters<Log['committed']>) => {
        asked()
        await slow
        return target.committed(...given)
      }
    },
  })
  const opened: number[] = []
  const memory = openMemoryJournal()
  const journal = new Proxy(memory, {
    get(target, name) {
      if (name !== 'partition') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
      return async (number: number) => {
        opened.push(number)
        return target.partition(number)
      }
    },
  }) as JournalStore
  const node = new Node({ config, id: 'node-1', log: slowLog, readers, logger: SILENT, journal })
  await node.start()
  await isAsked
  let isStopped = false
  const stopping = node.stop().then(() => {
    isStopped = true
  })
  await sleep(100)
  expect(isStopped).toBe(false)
  answer()
  await stopping
  const openedByThen = opened.length
  await sleep(100)
  expect(opened).toHaveLength(openedByThen)
  expect(node.stopped).toEqual([])
  await log.close()
})
