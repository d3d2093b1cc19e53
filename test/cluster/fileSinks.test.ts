/**
 * A node whose samples go to files, Avro containers and JSON lines, and to a topic beside them: over an orderly stop and
 * a new start each has every sample once, as known beforehand, and no commit goes ahead of what is durable in the files.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import avro from 'avsc'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { decodeMetadata } from '../../src/actors/position.ts'
import { Node } from '../../src/cluster/node.ts'
import type { Answer } from '../../src/generate/event.ts'
import { SAMPLES } from '../../src/join/ledger.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { JournalStore } from '../../src/journal/port.ts'
import type { CommitEntry, Log, Reader } from '../../src/log/port.ts'
import { PartFile } from '../../src/sinks/partFile.ts'
import { readLog } from '../support/embeddedWorld.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { proxied } from '../support/proxied.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

const FORMATS = ['avro', 'jsonl'] as const
const TOPIC = 'to-files-samples'
const EVENTS = { views: 1000, users: 60, spanMs: 60_000 }
const FIRST_BEFORE_MS = 600_000
const logger = { info() {}, warn() {}, error() {} }

interface Sample {
  readonly sample_id: string
  readonly labels: Readonly<Record<string, number | null>>
  readonly delays_ms: Readonly<Record<string, number | null>>
}

let dir: TempDir
let world: InsideWorld
let journal: JournalStore
/** Ids of the samples that a sync has resolved for, by folder and partition. */
let durable: Map<string, Set<string>>
/** What commits stood for and files did not have. */
let early: string[]
/** Samples that the last commit of each partition stands for. */
let committed: Map<number, number>

beforeEach(async () => {
  dir = await tempDir()
  journal = openMemoryJournal()
  durable = new Map()
  early = []
  committed = new Map()
  const fields = { userId: 'user_id', itemId: 'item_id', time: 'event_time' }
  const format = { type: 'json' }
  world = await InsideWorld.open({
    pipeline: {
      name: 'to-files',
      // Events move the clocks here, silence does not: what is pending at the stop is so until they go on.
      time: { idleAfter: '1h' },
      node: { commitEvery: '50ms' },
      pipeline: {
        // Without ids of views: two generations count them alike.
        sources: {
          views: { topic: 'to-files-views', format, fields },
          engagements: [{ topic: 'to-files-engagements', format, fields: { ...fields, type: 'type', value: 'value' } }],
        },
        sinks: [
          { type: 'file', format: 'avro', folder: folderOf('avro') },
          { type: 'kafka', topic: TOPIC, format: 'json' },
          { type: 'file', format: 'jsonl', folder: folderOf('jsonl'), rollSize: '4KiB' },
        ],
      },
    },
  })
  const { sync } = PartFile.prototype
  vi.spyOn(PartFile.prototype, 'sync').mockImplementation(async function (this: PartFile) {
    const bytes = this.sizeBytes
    await sync.call(this)
    await synced(this, bytes)
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
  await dir.remove()
})

const folderOf = (format: string): string => join(dir.path, format)

async function synced({ name, ...file }: PartFile, bytes: number): Promise<void> {
  const { folder } = file as unknown as { folder: string }
  const whole = await readFile(join(folder, name))
  const place = `${folder} ${/samples-(\d+)-/.exec(name)![1]}`
  const ids = durable.get(place) ?? new Set()
  durable.set(place, ids)
  for (const { sample_id: id } of await samplesOf(name, whole.subarray(0, bytes))) ids.add(id)
}

async function samplesOf(name: string, bytes: Buffer): Promise<Sample[]> {
  if (name.endsWith('.jsonl')) {
    const lines = bytes.toString().split('\n')
    expect(lines.pop()).toBe('')
    return lines.map((line) => JSON.parse(line) as Sample)
  }
  const decoder = new avro.streams.BlockDecoder()
  decoder.end(bytes)
  const samples: Sample[] = []
  for await (const sample of decoder) samples.push(sample as Sample)
  return samples
}

/** All files of the folder are finished: their samples. */
async function finishedOf(format: string): Promise<Sample[]> {
  const names = await readdir(folderOf(format))
  expect(names.filter((name) => !name.startsWith('samples-'))).toEqual([])
  const files = names.map(async (name) => samplesOf(name, await readFile(join(folderOf(format), name))))
  return (await Promise.all(files)).flat()
}

function committing(entries: readonly CommitEntry[]): void {
  for (const { partition, metadata } of entries) {
    const samples = decodeMetadata(metadata, new Map()).ledger[SAMPLES]
    committed.set(partition, samples)
    for (const format of FORMATS) {
      const have = durable.get(`${folderOf(format)} ${partition}`)?.size ?? 0
      if (have < samples) early.push(`${format} ${partition}: ${have} of ${samples}`)
    }
  }
}

/** Commits are looked at before the log has them. */
function watched(log: Log): Log {
  return proxied(log, {
    reader: (options) => {
      const reader = log.reader(options)
      return proxied<Reader>(reader, {
        commit: (entries) => {
          committing(entries)
          return reader.commit(entries)
        },
      })
    },
  })
}

async function start(): Promise<void> {
  const { config, readers, log } = world
  world.node = new Node({ config, id: 'node-1', log: watched(log), readers, logger, journal })
  await Promise.race([world.node.start(), world.node.failed])
}

/** All that the log has is joined. */
async function joined(): Promise<void> {
  const ends = await world.log.ends(world.topics)
  const isJoined = () =>
    ends.every(({ topic, partition, high }) => {
      const owner = world.node.partitions.find(({ index }) => index === partition)
      return owner?.isLive && owner.position[world.topics.indexOf(topic)] === high
    })
  await Promise.race([until('all that is there joined', isJoined), world.node.failed])
}

const byId = (samples: readonly Sample[]) =>
  samples
    .map(({ sample_id: id, labels, delays_ms: delays }) => ({ id, labels: { ...labels }, delays: { ...delays } }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))

const known = (answers: Iterable<Answer>): Sample[] =>
  [...answers].map(({ sampleId, labels, delaysMs }) => ({
    sample_id: sampleId,
    labels: Object.fromEntries(labels),
    delays_ms: Object.fromEntries(delaysMs),
  }))

test('every sample is once in finished files of each format, and durable there before it is committed', async () => {
  const nowMs = Date.now()
  const first = await world.generate(EVENTS, false, nowMs - FIRST_BEFORE_MS)
  await start()
  await joined()
  const sealed = world.count('samples')
  await world.node.stop()
  // Some are pending over the stop.
  expect(sealed).toBeGreaterThan(first.size / 2)
  expect(sealed).toBeLessThan(first.size)
  for (const format of FORMATS) expect(await finishedOf(format)).toHaveLength(sealed)

  await start()
  const second = await world.generate({ ...EVENTS, seed: 5 }, true, nowMs)
  await joined()
  await world.node.stop()

  expect(early).toEqual([])
  const all = byId(known([...first.values(), ...second.values()]))
  expect(all).toHaveLength(2 * EVENTS.views)
  for (const format of FORMATS) expect(byId(await finishedOf(format))).toEqual(all)
  const inTopic = await readLog(world.log, TOPIC)
  expect(byId(inTopic.map(({ value }) => JSON.parse(value.toString()) as Sample))).toEqual(all)
  expect([...committed.values()].reduce((sum, samples) => sum + samples)).toBe(all.length)
})
