import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadPipeline } from '../../src/config/load.ts'
import type { Pipeline } from '../../src/config/model.ts'
import { type Answer, answerJson, type GeneratedEvent } from '../../src/generate/event.ts'
import { type Plan, planGeneration, type Wishes } from '../../src/generate/plan.ts'
import { RecordError } from '../../src/generate/record.ts'
import { runGeneration } from '../../src/generate/run.ts'
import type { Target } from '../../src/generate/target.ts'
import { FilesTarget } from '../../src/generate/toFiles.ts'
import { LogTarget } from '../../src/generate/toLog.ts'
import { ServerTarget } from '../../src/generate/toServer.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'

const WISHES: Wishes = {
  views: 300,
  users: 40,
  seed: 5,
  spanMs: 600_000,
  startMs: 1_700_000_000_000,
  engagementRate: 0.3,
  duplicates: 0.1,
  repeats: 0.1,
}

const pipeline = loadPipeline('config', {})
/** The same with JSON for both sources. */
const jsonPipeline: Pipeline = {
  ...pipeline,
  sources: pipeline.sources.map((source) => ({ ...source, format: { type: 'json' } })),
}
const stillClock = { nowMs: () => 0, sleep: async () => {} }

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postview-generate-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

class Collected implements Target {
  readonly partitions = 4
  readonly events: [source: number, event: GeneratedEvent][] = []
  flushes = 0

  send(source: number, event: GeneratedEvent): undefined {
    this.events.push([source, event])
  }

  async flush(): Promise<void> {
    this.flushes++
  }

  async close(): Promise<void> {}
}

describe('a plan', () => {
  test('fits the pipeline: its types, what may be null, its disorder', () => {
    const { options, sourceOfType } = planGeneration(pipeline, WISHES, 0)
    expect([...sourceOfType.keys()]).toEqual(['click', 'like', 'share', 'watch', 'skip'])
    expect(options).toMatchObject({ viewIds: true, numericIds: false, resolutionMs: 1, disorderMs: 5000 })
    expect(options.types.every((type) => type.namedShare < 1 && type.valuedShare > 0)).toBe(true)
  })

  test('leaves all of its events in the past, the closing ones too', async () => {
    const nowMs = 1_800_000_000_000
    const plan = planGeneration(pipeline, { ...WISHES, startMs: undefined, repeats: 0.9 }, nowMs)
    const target = new Collected()
    await runGeneration(plan, target, { ...stillClock, close: true })
    expect(Math.max(...target.events.map(([, event]) => event.arrivalMs))).toBeLessThanOrEqual(nowMs)
  })

  test('refuses a disorder for which the answer would not be known', () => {
    expect(() => planGeneration(pipeline, { ...WISHES, disorderMs: 5001 }, 0)).toThrow(/time\.outOfOrderness/)
  })

  test('sends engagements to the topic of their type', async () => {
    const [views, engagements] = jsonPipeline.sources
    const clicks = { ...engagements, topic: 'clicks', fields: { ...engagements.fields, type: { const: 'click' } } }
    const plan = planGeneration({ ...jsonPipeline, sources: [views, clicks, engagements] }, WISHES, 0)
    expect(plan.sourceOfType.get('click')).toBe(1)
    expect(plan.sourceOfType.get('like')).toBe(2)
    expect(plan.closing(1).types.map((type) => plan.sourceOfType.get(type))).toEqual([1, 2])
  })

  test('takes numbers for ids and whole seconds where the sources want them', () => {
    const sources = jsonPipeline.sources.map((source) => ({
      ...source,
      fields: { ...source.fields, time: { path: ['t'], unit: 's' as const } },
    }))
    expect(planGeneration({ ...jsonPipeline, sources }, WISHES, 0).options.resolutionMs).toBe(1000)
    const schema = {
      type: 'record',
      name: 'V',
      fields: ['view_id', 'user_id', 'item_id', 'event_time'].map((name) => ({ name, type: 'long' })),
    }
    const [views, engagements] = jsonPipeline.sources
    const numeric = [{ ...views, format: { type: 'avro' as const, schema, schemaFile: '' } }, engagements]
    expect(planGeneration({ ...jsonPipeline, sources: numeric }, WISHES, 0).options.numericIds).toBe(true)
  })
})

describe('a run', () => {
  const plan = planGeneration(pipeline, WISHES, 0)

  test('counts what it sent, and hands on each answer once', async () => {
    const target = new Collected()
    const answers: Answer[] = []
    const onAnswer = (answer: Answer) => void answers.push(answer)
    const counts = await runGeneration(plan, target, { ...stillClock, close: true, onAnswer })
    expect(counts.views).toBe(WISHES.views + target.partitions)
    expect(answers.filter((answer) => !answer.isClosing)).toHaveLength(WISHES.views)
    expect(counts.views + counts.engagements + counts.copies).toBe(target.events.length)
    expect(JSON.parse(answerJson(answers.at(-1)!))).toMatchObject({ closing: true, labels: { click: 0, watch_ms: 0 } })
  })

  test('at a rate sends no faster than that', async () => {
    const target = new Collected()
    let nowMs = 0
    const sentAt: number[] = []
    const sleep = async (ms: number) => {
      sentAt.push(target.events.length)
      expect(target.events.length).toBeLessThanOrEqual((nowMs / 1000) * 100 + 6)
      nowMs += ms
    }
    await runGeneration(plan, target, { rate: 100, close: false, nowMs: () => nowMs, sleep })
    expect(nowMs).toBeGreaterThan((target.events.length / 100) * 1000 - 100)
    expect(sentAt.length).toBeGreaterThan(20)
    expect(target.flushes).toBeGreaterThanOrEqual(sentAt.length)
  })

  test('stops when it is told to', async () => {
    const target = new Collected()
    await runGeneration(plan, target, { ...stillClock, close: true, isStopped: () => target.events.length >= 100 })
    expect(target.events).toHaveLength(100)
  })
})

test('to files: views, engagements and what they must give', async () => {
  const target = await FilesTarget.open(folder, pipeline, WISHES.seed, 2)
  const counts = await runGeneration(planGeneration(pipeline, WISHES, 0), target, { ...stillClock, close: true })
  await target.close()
  const lines = (name: string) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n')
  const views = lines('views.jsonl').map((line) => JSON.parse(line))
  expect(views).toHaveLength(counts.views + counts.copies)
  expect(Object.keys(views[0]).sort()).toEqual([
    'country',
    'device',
    'event_time',
    'item_id',
    'position',
    'scores',
    'surface',
    'user_id',
    'view_id',
  ])
  expect(lines('engagements.jsonl')).toHaveLength(counts.engagements)
})

test('to a log: keyed by user, in the partition of the key, made where topics are missing', async () => {
  const log = await openEmbeddedLog({ folder, fsyncMs: 0, segmentBytes: 1 << 24, retentionMs: 1e12, partitions: 3 })
  try {
    await expect(LogTarget.open(log, pipeline, 1, undefined)).rejects.toThrow(/no such topic: views, engagements/)
    const target = await LogTarget.open(log, pipeline, WISHES.seed, 3)
    const counts = await runGeneration(planGeneration(pipeline, WISHES, 0), target, { ...stillClock, close: true })
    await target.close()
    let records = 0
    for (const { topic, partition, high } of await log.ends(['views', 'engagements'])) {
      for await (const chunk of log.readRange(topic, partition, 0, high)) {
        for (let i = 0; i < chunk.count; i++) {
          expect(partitionOf(murmur2(chunk.bytes, chunk.keyAt[i], chunk.keyLength[i]), 3)).toBe(partition)
        }
        records += chunk.count
      }
    }
    expect(records).toBe(counts.views + counts.copies + counts.engagements)
  } finally {
    await log.close()
  }
})

describe('to a control server', () => {
  let server: Server
  let requests: { url: string; type: string; body: Buffer }[] = []
  let answer: (response: ServerResponse, count: number) => void

  beforeEach(async () => {
    requests = []
    answer = (response) => response.end('{}')
    server = createServer((request: IncomingMessage, response) => {
      const parts: Buffer[] = []
      request.on('data', (part) => parts.push(part))
      request.on('end', () => {
        requests.push({ url: request.url!, type: request.headers['content-type']!, body: Buffer.concat(parts) })
        answer(response, requests.length)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => new Promise((resolve) => server.close(resolve)))

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  async function post(of: Pipeline, sleep = async (_ms: number) => {}) {
    const plan: Plan = planGeneration(of, WISHES, 0)
    return runGeneration(plan, new ServerTarget(url(), of, 1, 4, sleep), { ...stillClock, close: false })
  }

  test('Avro goes in frames, each record behind its length', async () => {
    const counts = await post(pipeline)
    expect(new Set(requests.map((it) => `${it.url} ${it.type}`))).toEqual(
      new Set(['/topics/views application/avro-frames', '/topics/engagements application/avro-frames']),
    )
    let frames = 0
    for (const { body } of requests) {
      let at = 0
      for (; at < body.length; frames++) at += 4 + body.readUInt32BE(at)
      expect(at).toBe(body.length)
    }
    expect(frames).toBe(counts.views + counts.copies + counts.engagements)
  })

  test('JSON goes as lines', async () => {
    const counts = await post(jsonPipeline)
    const lines = requests.flatMap(({ body }) => String(body).trimEnd().split('\n'))
    expect(lines).toHaveLength(counts.views + counts.copies + counts.engagements)
    expect(requests.every((it) => it.type === 'application/x-ndjson')).toBe(true)
    expect(JSON.parse(lines[0])).toHaveProperty('user_id')
  })

  test('429 is waited out as Retry-After says, and the same bytes are sent again', async () => {
    const slept: number[] = []
    answer = (response, count) => {
      if (count <= 3) response.writeHead(429, count === 1 ? { 'retry-after': '2' } : {})
      response.end()
    }
    await post(jsonPipeline, async (ms) => void slept.push(ms))
    expect(slept).toHaveLength(3)
    expect(slept).toContain(2000)
    const bodies = requests.map((it) => it.body.toString('base64'))
    expect(bodies.length - new Set(bodies).size).toBe(3)
  })

  test('a server that refuses for ever, refuses for good or does not answer is an error', async () => {
    answer = (response) => response.writeHead(503, { 'retry-after': '30' }).end()
    await expect(post(jsonPipeline)).rejects.toThrow(/refused for/)
    answer = (response) => response.writeHead(404).end('no such topic')
    await expect(post(jsonPipeline)).rejects.toThrow(/topic (views|engagements): 404: no such topic/)
    answer = (response) => response.destroy()
    await expect(post(jsonPipeline)).rejects.toThrow(/no answer/)
  })

  test.each([
    ['does not answer', (response: ServerResponse) => void response.destroy(), false],
    ['fails', (response: ServerResponse) => void response.writeHead(500).end(), false],
    [
      'refuses for ever',
      (response: ServerResponse) => void response.writeHead(429, { 'retry-after': '30' }).end(),
      false,
    ],
    ['has no such topic', (response: ServerResponse) => void response.writeHead(404).end(), true],
  ])('a server that %s: whether that is wrong use', async (_, answered, isWrongUse) => {
    answer = answered
    const error = await post(jsonPipeline).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(error instanceof RecordError).toBe(isWrongUse)
  })
})
