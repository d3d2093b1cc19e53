/** The tail of samples: what it reads, decodes and holds is bounded, however many partitions and samples there are. */
import { join } from 'node:path'
import { fastify } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { openSampleTopic, type SampleTopic } from '../../src/explain/emission.ts'
import type { Inside } from '../../src/inspect/inside.ts'
import { addTailRoute, type TailAnswer, type TailOptions, tail } from '../../src/inspect/tail.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { type Log, LogError } from '../../src/log/port.ts'
import { BatchedTopic } from '../../src/sinks/batches.ts'
import { writeWorld } from '../support/pageWorld.ts'
import { proxied } from '../support/proxied.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const PARTITIONS = 8
/** Of each partition but the last, which has few. */
const EACH = 700
const FEW = 10
const ALL = (PARTITIONS - 1) * EACH + FEW
const FIRST = new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, 0]))
/** With a filter, of all partitions together. */
const MOST_FILTERED = 2000
const DECODED_AT_ONCE = 32
/** Answers that are made or wait. */
const MOST_HELD = 8

let dir: TempDir
let log: Log & { close(): Promise<void> }
let config: ReturnType<typeof loadConfig>
let topic: SampleTopic
let read: number
let decoded: number
/** Between two turns of the event loop. */
let decodedAtOnce: number
let mostAtOnce: number

beforeAll(async () => {
  dir = await tempDir()
  config = loadConfig(await writeWorld(dir.path, { name: 'tail' }), {})
  const folder = join(dir.path, 'log')
  log = await openEmbeddedLog({ folder, fsyncMs: 0, segmentBytes: 1 << 20, retentionMs: 1e9, partitions: PARTITIONS })
  topic = counted((await openSampleTopic(config.pipeline))!)
  await log.createTopics([{ topic: topic.topic, partitions: PARTITIONS }])
  const writer = await log.writer()
  const samples = new BatchedTopic(topic.topic, 'none', writer)
  // Each partition's newest are newer than all of those before it.
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let k = 0; k < (partition === PARTITIONS - 1 ? FEW : EACH); k++) {
      const value = Buffer.from(JSON.stringify(sampleOf(partition, k)))
      samples.add(partition, stampOf(partition, k), null, 0, -1, value, 0, value.length)
    }
  }
  await samples.flush()
  await writer.close()
})

afterAll(async () => {
  await log.close()
  await dir.remove()
})

beforeEach(() => {
  read = decoded = decodedAtOnce = mostAtOnce = 0
})

const stampOf = (partition: number, k: number): number => k * PARTITIONS + partition

function sampleOf(partition: number, k: number) {
  const ids = { sample_id: `${partition}-${k}`, user_id: `u${partition}`, item_id: 'i', view_time: k }
  return { ...ids, labels: { click: k % 2, watch_ms: null }, delays_ms: {}, late_view: false }
}

function counted({ topic: name, reader }: SampleTopic): SampleTopic {
  const toJson: typeof reader.toJson = (payload, writer) => {
    decoded++
    mostAtOnce = Math.max(mostAtOnce, ++decodedAtOnce)
    return reader.toJson(payload, writer)
  }
  return { topic: name, reader: Object.assign(Object.create(reader), { toJson }) }
}

async function ask(options: Partial<TailOptions>): Promise<TailAnswer> {
  const countedLog = Object.assign(Object.create(log), {
    async *readRange(...range: Parameters<Log['readRange']>) {
      for await (const chunk of log.readRange(...range)) {
        read += chunk.count
        yield chunk
      }
    },
  })
  let isOver = false
  const turn = (): void => {
    decodedAtOnce = 0
    if (!isOver) setImmediate(turn)
  }
  turn()
  try {
    return await tail({ log: countedLog, topic, limit: 20, ...options })
  } finally {
    isOver = true
  }
}

const idsIn = ({ samples }: TailAnswer): unknown[] => samples.map(({ sample }) => sample.sample_id)

/** The newest of those that fit, the newest last. */
function newest(limit: number, fits: (partition: number, k: number) => boolean): string[] {
  const all: { id: string; ms: number }[] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let k = 0; k < (partition === PARTITIONS - 1 ? FEW : EACH); k++) {
      if (fits(partition, k)) all.push({ id: `${partition}-${k}`, ms: stampOf(partition, k) })
    }
  }
  return all
    .sort((a, b) => a.ms - b.ms)
    .slice(-limit)
    .map(({ id }) => id)
}

describe('partitions without a leader', () => {
  const led = () =>
    proxied(log, {
      ends: async (topics, of) => {
        if (of !== 'led') throw new LogError('FAILED', 'a partition has no leader', { passes: true })
        return (await log.ends(topics, of)).filter(({ partition }) => partition !== 1)
      },
    })
  const ids = newest(20, (partition) => partition !== 1)

  it('are left out and named, also where a user is asked for', async () => {
    const answer = await tail({ log: led(), topic, limit: 20 })
    expect([idsIn(answer), answer.away]).toEqual([ids, [1]])
    expect(idsIn(await tail({ log: led(), topic, limit: 20, user: 'u0' }))).toEqual(idsIn(await ask({ user: 'u0' })))
    expect((await ask({})).away).toEqual([])
  })

  it('are gone on with from where they were', async () => {
    const start = new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, 1] as const))
    const { cursor } = await tail({ log: led(), topic, limit: 20, after: start })
    expect(cursor.split(',')).toContain('1:1')
  })
})

describe('without a filter', () => {
  it.each([undefined, FIRST])(
    'reads of each partition what may be shown, and counts the rest (after %s)',
    async (after) => {
      const answer = await ask({ after })
      expect(idsIn(answer)).toEqual(newest(20, () => true))
      expect(read).toBeLessThanOrEqual(PARTITIONS * 20)
      expect(answer).toMatchObject({ skipped: after === undefined ? 0 : ALL - 20, filtered: 0 })
      expect(
        await ask({
          after: new Map(answer.cursor.split(',').map((one) => one.split(':').map(Number) as [number, number])),
        }),
      ).toMatchObject({ samples: [], skipped: 0, cursor: answer.cursor })
    },
  )

  it('decodes little more than it shows', async () => {
    await ask({ limit: 200, after: FIRST })
    expect(decoded).toBeLessThan(4 * 200)
  })
})

describe('with a filter', () => {
  it('reads so many of all partitions together, and leaves to others what one has not', async () => {
    const answer = await ask({ label: { name: 'click', value: 1 }, after: FIRST })
    expect(idsIn(answer)).toEqual(newest(20, (_, k) => k % 2 === 1))
    expect(read).toBeGreaterThan(MOST_FILTERED - PARTITIONS)
    expect(read).toBeLessThanOrEqual(MOST_FILTERED)
    expect(answer.samples.length + answer.skipped + answer.filtered).toBe(ALL)
  })

  it('gives the event loop back between small parts', async () => {
    await ask({ label: { name: 'click', value: 1 } })
    expect(decoded).toBeGreaterThan(1000)
    expect(mostAtOnce).toBeLessThanOrEqual(DECODED_AT_ONCE * 2)
  })
})

describe('the route', () => {
  it('makes one answer at a time, and refuses when too many wait', async () => {
    let under = 0
    let mostUnder = 0
    let go = (): void => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const slow = Object.assign(Object.create(log), {
      ends: async (topics: readonly string[]) => {
        mostUnder = Math.max(mostUnder, ++under)
        await gate
        under--
        return log.ends(topics)
      },
    })
    const app = fastify()
    addTailRoute(app, { node: { config, log: slow } } as unknown as Inside)
    const answers = Array.from({ length: MOST_HELD + 2 }, async () => {
      const { statusCode } = await app.inject('/tail')
      if (statusCode === 429) go()
      return statusCode
    })
    const codes = (await Promise.all(answers)).sort()
    expect(codes).toEqual([...Array(MOST_HELD).fill(200), 429, 429])
    expect(mostUnder).toBe(1)
    await app.close()
  })
})
