import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { avscType } from '../../src/codec/avro/transcode.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import type { Source } from '../../src/config/model.ts'
import { BODY_LIMIT_BYTES, MAX_RECORDS } from '../../src/inspect/posting.ts'
import { type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { CONTROL, type FakeNode, fakeNode, fakePartition, LIMITS, LineReader, quiet, TOPICS } from './fakeNode.ts'

const PARTITIONS = 3
const LINES = 'application/x-ndjson'

let dir: TempDir
let log: EmbeddedLog
let node: FakeNode
let reader: LineReader
let server: ControlServer | undefined

beforeEach(async () => {
  dir = await tempDir()
  log = await openEmbeddedLog({
    folder: `${dir.path}/log`,
    fsyncMs: 0,
    segmentBytes: 64 << 20,
    retentionMs: Number.POSITIVE_INFINITY,
    partitions: PARTITIONS,
  })
  await log.createTopics(TOPICS.map((topic) => ({ topic, partitions: PARTITIONS })))
  reader = new LineReader()
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await log.close()
  await dir.remove()
})

async function start(given: { inFlightBytes?: number; bufferedBytes?: number } = {}): Promise<string> {
  node = fakeNode([fakePartition(0, { bufferedBytes: given.bufferedBytes })], {
    log,
    inFlightBytes: given.inFlightBytes,
  })
  server = await startControlServer({
    node,
    readers: [reader, reader],
    control: CONTROL,
    dataDir: dir.path,
    version: '1.2.3',
    logger: quiet,
  })
  return server.url
}

function post(url: string, body: RequestInit['body'], type: string | null = LINES, topic = 'views'): Promise<Response> {
  return fetch(`${url}/topics/${topic}`, {
    method: 'POST',
    body,
    headers: type === null ? {} : { 'content-type': type },
  })
}

interface Stored {
  readonly partition: number
  readonly key: string
  readonly value: string
}

async function stored(topic = 'views'): Promise<Stored[]> {
  const found: Stored[] = []
  for (const { partition, low, high } of await log.ends([topic])) {
    for await (const chunk of log.readRange(topic, partition, low, high)) {
      const text = (at: number, length: number) => chunk.bytes.toString('utf8', at, at + length)
      for (let i = 0; i < chunk.count; i++) {
        const key = text(chunk.keyAt[i], chunk.keyLength[i])
        found.push({ partition, key, value: text(chunk.valueAt[i], chunk.valueLength[i]) })
      }
    }
  }
  return found
}

const line = (user: string, n: number) => JSON.stringify({ user, n })
const lines = (count: number, users = 50) => Array.from({ length: count }, (_, n) => line(`user-${n % users}`, n))

describe('posted events', () => {
  it('lie in the log when answered: as sent, keyed by user, where the user hashes, in their order', async () => {
    const url = await start()
    const sent = lines(2000)
    const response = await post(url, `${sent.join('\n')}\n`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ appended: 2000 })
    const found = await stored()
    expect(found.map((record) => record.value).sort()).toEqual([...sent].sort())
    const numbers = new Map<string, number[]>()
    for (const { partition, key, value } of found) {
      const { user, n } = JSON.parse(value)
      expect(key).toBe(user)
      const bytes = Buffer.from(user)
      expect(partition).toBe(partitionOf(murmur2(bytes, 0, bytes.length), PARTITIONS))
      numbers.set(key, [...(numbers.get(key) ?? []), n])
    }
    for (const ns of numbers.values()) expect(ns).toEqual([...ns].sort((a, b) => a - b))
    expect(new Set(found.map((record) => record.partition)).size).toBe(PARTITIONS)
  })

  it('may be application/json lines, with a charset, for any source', async () => {
    const url = await start()
    const response = await post(url, line('u', 1), 'application/json; charset=utf-8', 'engagements')
    expect(await response.json()).toEqual({ appended: 1 })
    expect(await stored('engagements')).toMatchObject([{ key: 'u', value: line('u', 1) }])
  })

  it('may be framed', async () => {
    const url = await start()
    const values = [line('a', 1), line('b', 2)]
    const frames = values.map((value) => {
      const frame = Buffer.alloc(4 + value.length)
      frame.writeUInt32BE(value.length)
      frame.write(value, 4)
      return frame
    })
    const response = await post(url, Buffer.concat(frames), 'application/avro-frames')
    expect(await response.json()).toEqual({ appended: 2 })
    expect((await stored()).map((record) => record.value).sort()).toEqual(values)
  })

  it('may be none', async () => {
    const url = await start()
    expect(await (await post(url, '\n\n')).json()).toEqual({ appended: 0 })
    expect(await (await post(url, null, null)).json()).toEqual({ appended: 0 })
  })

  it('are cut into batches that the topic takes', async () => {
    const url = await start()
    const big = Array.from({ length: 12 }, () => JSON.stringify({ user: 'one', text: 'x'.repeat(300_000) }))
    expect(await (await post(url, big.join('\n'))).json()).toEqual({ appended: 12 })
    expect(await stored()).toHaveLength(12)
  })

  it('do not mix when several are sent at once', async () => {
    const url = await start()
    const requests = Array.from({ length: 8 }, (_, k) =>
      Array.from({ length: 600 }, (_, n) => line(`r${k}-${n % 7}`, n)),
    )
    const answers = await Promise.all(requests.map((body) => post(url, body.join('\n'))))
    for (const answer of answers) expect(await answer.json()).toEqual({ appended: 600 })
    const found = await stored()
    expect(found.map((record) => record.value).sort()).toEqual(requests.flat().sort())
    for (const { key, value } of found) expect(JSON.parse(value).user).toBe(key)
  })
})

describe('JSON lines for a topic of Avro', () => {
  const schema = {
    type: 'record',
    name: 'View',
    fields: [
      { name: 'user_id', type: 'long' },
      { name: 'item_id', type: ['null', 'string'], default: null },
      { name: 'event_time', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  } as const
  const avroType = avscType(schema)
  const fields = { userId: ['user_id'], itemId: ['item_id'], time: { path: ['event_time'] } }
  const avroSource = (format: unknown) => ({ role: 'views', topic: 'views', fields, format }) as Source

  async function startWith(source: Source): Promise<string> {
    const avroReader = await openSourceReader(source, LIMITS)
    server = await startControlServer({
      node: fakeNode([fakePartition(0)], { log, sources: [source] }),
      readers: [avroReader],
      control: CONTROL,
      dataDir: dir.path,
      version: '1.2.3',
      logger: quiet,
    })
    return server.url
  }

  it('are encoded by its schema, with integers of 64 bits exact', async () => {
    const url = await startWith(avroSource({ type: 'avro', schema, schemaFile: 'view.avsc' }))
    const sent = '{"user_id":9007199254740993,"item_id":"i1","event_time":1700000000000}'
    expect(await (await post(url, Array(700).fill(sent).join('\n'))).json()).toEqual({ appended: 700 })
    const found = await stored()
    expect(new Set(found.map((record) => record.key))).toEqual(new Set(['9007199254740993']))
    const [{ partition }] = found
    const decoded: unknown[] = []
    for await (const chunk of log.readRange('views', partition, 0, 700)) {
      for (let i = 0; i < chunk.count; i++) {
        const at = chunk.valueAt[i]
        decoded.push(avroType.fromBuffer(chunk.bytes.subarray(at, at + chunk.valueLength[i])))
      }
    }
    expect(decoded).toHaveLength(700)
    expect(decoded[699]).toEqual({ user_id: 9007199254740993n, item_id: { string: 'i1' }, event_time: 1700000000000n })
  })

  it('are refused with line and path where they do not fit', async () => {
    const url = await startWith(avroSource({ type: 'avro', schema, schemaFile: 'view.avsc' }))
    const good = '{"user_id":1,"item_id":"i1","event_time":1700000000000}'
    const response = await post(url, `${good}\n{"user_id":"x","item_id":"i1","event_time":1}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ line: 2, reason: expect.stringContaining('user_id') })
    expect(await stored()).toEqual([])
  })

  it('are refused with 415 where only the registry knows the schema', async () => {
    const url = await startWith(avroSource({ type: 'avro', registry: { url: 'http://localhost:1' } }))
    const response = await post(url, '{"user_id":1}')
    expect(response.status).toBe(415)
    expect(await response.json()).toEqual({ error: expect.stringContaining('application/avro-frames') })
  })
})

describe('posted events are refused', () => {
  it('with line and reason where one cannot be decoded, and nothing of the request is appended', async () => {
    const url = await start()
    const sent = lines(900)
    sent[700] = '{"user":'
    const response = await post(url, sent.join('\n'))
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      error: 'line 701: not an event; nothing of this request was appended',
      line: 701,
      reason: 'not an event',
    })
    expect(await stored()).toEqual([])
  })

  it('with the frame where one is cut off', async () => {
    const url = await start()
    const response = await post(url, Buffer.from([0, 0, 0, 9, 1]), 'application/avro-frames')
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ frame: 1 })
  })

  it('with the line of one that is larger than the topic takes', async () => {
    const url = await start()
    const response = await post(url, `${line('u', 1)}\n${JSON.stringify({ user: 'u', text: 'x'.repeat(1_048_588) })}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      line: 2,
      reason: expect.stringContaining('larger than the topic takes'),
    })
    expect(await stored()).toEqual([])
  })

  it('with 404 for a topic that no source reads, were it one of the outputs', async () => {
    const url = await start()
    await log.createTopics([{ topic: 'samples', partitions: PARTITIONS }])
    for (const topic of ['samples', 'nothing', '..%2Fviews']) {
      expect((await post(url, line('u', 1), LINES, topic)).status).toBe(404)
    }
    expect(await stored('samples')).toEqual([])
  })

  it('with 404 and the reason where the log is Kafka', async () => {
    node = fakeNode([fakePartition(0)])
    server = await startControlServer({
      node,
      readers: [reader, reader],
      control: CONTROL,
      dataDir: dir.path,
      version: '1.2.3',
      logger: quiet,
    })
    const response = await post(server.url, line('u', 1))
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ error: expect.stringContaining('produce to its brokers') })
  })

  it('with 415 for another content type, or none', async () => {
    const url = await start()
    expect((await post(url, line('u', 1), 'text/plain')).status).toBe(415)
    expect((await post(url, new Uint8Array(Buffer.from(line('u', 1))), null)).status).toBe(415)
    expect(await stored()).toEqual([])
  })

  it('with 413 beyond the limit of a body, whether its size is told or not', async () => {
    const url = await start()
    const body = Buffer.alloc(BODY_LIMIT_BYTES + 1, '\n')
    expect((await post(url, body)).status).toBe(413)
    async function* pieces() {
      for (let sent = 0; sent < body.length; sent += 1 << 20) yield body.subarray(sent, sent + (1 << 20))
    }
    const streamed = { method: 'POST', body: pieces(), duplex: 'half', headers: { 'content-type': LINES } }
    // The server may close the connection before all is sent.
    const status = await fetch(`${url}/topics/views`, streamed as unknown as RequestInit).then(
      (response) => response.status,
      () => 413,
    )
    expect(status).toBe(413)
  })

  it('with 413 for too many records', async () => {
    const url = await start()
    expect((await post(url, '\n'.repeat(MAX_RECORDS + 1))).status).toBe(413)
  })

  it('with 503 where the registry does not answer, and while the node stops', async () => {
    const url = await start()
    reader.preparing = Promise.reject(new Error('registry away'))
    reader.preparing.catch(() => {})
    const response = await post(url, line('u', 1))
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toEqual({ error: expect.stringContaining('registry away') })
    reader.preparing = undefined
    node.state = 'stopping'
    expect((await post(url, line('u', 1))).status).toBe(503)
    expect(await stored()).toEqual([])
  })
})

describe('back-pressure', () => {
  it('answers 429 with Retry-After while the partitions have too much to join', async () => {
    const url = await start({ inFlightBytes: 1000, bufferedBytes: 990 })
    const response = await post(url, line('u', 1))
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('1')
    node.partitions = [fakePartition(0)]
    expect((await post(url, line('u', 1))).status).toBe(200)
  })

  it('counts what is being sent slowly, and forgets it when its sender goes away', async () => {
    const url = await start({ inFlightBytes: 1000 })
    const { hostname, port } = new URL(url)
    const slow = connect(Number(port), hostname)
    await once(slow, 'connect')
    const head = `POST /topics/views HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${LINES}\r\nContent-Length: 990\r\n\r\n`
    slow.write(`${head}{"us`)
    await expect.poll(async () => (await post(url, line('u', 1))).status).toBe(429)
    // Meanwhile the node is asked as ever.
    expect((await fetch(`${url}/health`)).status).toBe(200)
    slow.destroy()
    await expect.poll(async () => (await post(url, line('u', 1))).status).toBe(200)
  })

  it('gives room back after every kind of answer', async () => {
    const url = await start({ inFlightBytes: 200 })
    const bodies = [line('u', 1), 'bad', line('u', 2), '\n']
    for (let round = 0; round < 20; round++) {
      const { status } = await post(url, bodies[round % bodies.length])
      expect(status).toBe(bodies[round % bodies.length] === 'bad' ? 400 : 200)
    }
    expect((await post(url, line('u', 1), 'text/plain')).status).toBe(415)
    expect((await post(url, 'x'.repeat(199))).status).toBe(400)
  })
})
