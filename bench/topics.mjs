/**
 * What the benchmark does with topics: fills them with a workload, waits for their ends, reads samples back and checks
 * them. It goes through the built program's log, but shares nothing with its join.
 *
 * How it fails: with what the log says; a check that fails is a result, not an error.
 */
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf, ENGAGEMENTS, VIEWS } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')

export const PARTITIONS = 4
/** As a producer with some linger sends them. */
const BATCH_RECORDS = 1000
/** Of large records fewer: a broker takes a mebibyte. */
const BATCH_BYTES = 900_000
const WRITING_BATCHES = 64
const LOOK_EVERY_MS = 250

/** The parts of the built program that the benchmark uses. */
export async function openBuilt(program, brokers) {
  const part = (path) => import(`${program}/dist/${path}`)
  const { openKafkaLog } = await part('log/kafka/kafkaLog.js')
  const { RecordBatchBuilder } = await part('log/recordBatch/builder.js')
  const { murmur2, partitionOf } = await part('join/hash.js')
  const log = await openKafkaLog({ kafka: { brokers: [brokers], sessionTimeoutMs: 30_000 }, clientId: 'bench' })
  /** The same with topics of that many partitions. */
  const withPartitions = (partitions) => {
    const placeOf = (user) => {
      const key = Buffer.from(String(user))
      return { key, partition: partitionOf(murmur2(key, 0, key.length), partitions) }
    }
    return { log, RecordBatchBuilder, placeOf, partitions, withPartitions, close: () => log.close() }
  }
  return withPartitions(PARTITIONS)
}

/** A user in each partition, in their order. */
export function userOfEach(placeOf, partitions = PARTITIONS) {
  const users = []
  for (let user = 0; Object.keys(users).length < partitions; user++) users[placeOf(user).partition] ??= user
  return users
}

export async function createTopics(log, names, stamps, partitions = PARTITIONS) {
  const settings = { 'message.timestamp.type': stamps, 'cleanup.policy': 'delete', 'retention.ms': '-1' }
  await log.createTopics(names.map((topic) => ({ topic, partitions, settings })))
}

/** Appends records to topics in batches, with a bound on what is under way. */
export class Appender {
  constructor(built, writer) {
    this.built = built
    this.writer = writer
    this.lanes = new Map()
    this.places = new Map()
    this.writing = new Set()
  }

  add(topic, user, stampMs, value) {
    let place = this.places.get(user)
    if (place === undefined) this.places.set(user, (place = this.built.placeOf(user)))
    const lane = this.lane(topic, place.partition)
    if (lane.builder.count > 0 && lane.builder.sizeBytes + value.length > BATCH_BYTES) this.send(lane)
    lane.builder.add(stampMs, place.key, 0, place.key.length, value, 0, value.length)
    if (lane.builder.count >= BATCH_RECORDS) this.send(lane)
  }

  lane(topic, partition) {
    const name = `${topic} ${partition}`
    let lane = this.lanes.get(name)
    if (lane === undefined) {
      lane = { topic, partition, builder: new this.built.RecordBatchBuilder({ compression: 'lz4' }) }
      this.lanes.set(name, lane)
    }
    return lane
  }

  send(lane) {
    const sent = this.writer.append(lane.topic, lane.partition, lane.builder.finish())
    this.writing.add(sent)
    void sent.finally(() => this.writing.delete(sent))
  }

  sendAll() {
    for (const lane of this.lanes.values()) if (lane.builder.count > 0) this.send(lane)
  }

  get isFull() {
    return this.writing.size > WRITING_BATCHES
  }

  async drained() {
    await Promise.all(this.writing)
  }
}

/** Fills two topics with the workload, keyed by that field of its events; gives its answer, and how many keys there were. */
export async function load(built, workload, topics, keyedBy = 'user') {
  await createTopics(built.log, topics, 'CreateTime', built.partitions)
  const writer = await built.log.writer()
  const appender = new Appender(built, writer)
  for (const event of workload.events()) {
    appender.add(topics[event.kind], event[keyedBy], event.timeMs, event.value)
    if (appender.isFull) await appender.drained()
  }
  appender.sendAll()
  await appender.drained()
  await writer.close()
  const { records } = workload.answer
  return { ...workload.answer, events: records[VIEWS] + records[ENGAGEMENTS], keys: appender.places.size }
}

export async function recordsIn(log, topic) {
  return (await log.ends([topic])).reduce((sum, { high, low }) => sum + high - low, 0)
}

/** Resolves when the topic has that many records; rejects when `failed` does. */
export async function untilRecords(log, topic, count, failed) {
  const reached = (async () => {
    while ((await recordsIn(log, topic)) < count) await sleep(LOOK_EVERY_MS)
  })()
  await Promise.race([reached, failed])
}

/** Reads samples and compares them with the answer. Samples of closing events do not count. */
export async function checkSamples(built, topic, schema, answer, isJson) {
  const type = avro.Type.forSchema(schema)
  const seen = new Uint8Array(answer.views + 1)
  const found = { samples: 0, duplicates: 0, digest: 0, lastAppendMs: 0 }
  for (const { partition, low, high } of await built.log.ends([topic])) {
    if (high === low) continue
    for await (const chunk of built.log.readRange(topic, partition, low, high)) {
      for (let i = 0; i < chunk.count; i++) {
        const sample = type.fromBuffer(chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i]))
        const number = Number(isJson ? sample.item_id : sample.sample_id)
        if (chunk.stampMs[i] > found.lastAppendMs) found.lastAppendMs = chunk.stampMs[i]
        if (number < 1 || number > answer.views) continue
        if (seen[number]++ > 0) found.duplicates++
        else {
          const { click, like, share, watch_ms } = sample.labels
          found.samples++
          found.digest += digestOf(number, click, like, share, watch_ms)
        }
      }
    }
  }
  return { ...found, isRight: found.samples === answer.views && found.digest === answer.digest }
}
