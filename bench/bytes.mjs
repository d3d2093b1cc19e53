/**
 * Bytes on the topics: events as JSON without compression against the same events as Avro with LZ4, in record batches of
 * 1,000 as a producer sends them and a broker keeps them.
 *
 *   node bench/bytes.mjs [--views 100000] [--real FILE]
 *
 * FILE: real events as CSV (gzipped): user, item, category, behaviour, seconds (shared/data of the project's own machines).
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { RecordBatchBuilder } from '../dist/log/recordBatch/builder.js'
import { engagementSchema, viewSchema, Workload } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')
const BATCH_RECORDS = 1000
const { values: given } = parseArgs({
  options: { views: { type: 'string', default: '100000' }, real: { type: 'string' } },
})

/** Each event is encoded both ways from the same values. */
function* workload(views) {
  const types = [viewSchema, engagementSchema].map((schema) => avro.Type.forSchema(schema))
  for (const { kind, user, timeMs, value } of new Workload({ views }).events()) {
    const event = types[kind].fromBuffer(value)
    yield { topic: kind, key: String(user), timeMs, json: Buffer.from(JSON.stringify(event)), avro: value }
  }
}

function* real(file) {
  const type = avro.Type.forSchema({
    type: 'record',
    name: 'Behaviour',
    fields: [
      ...['user_id', 'item_id', 'category_id'].map((name) => ({ name, type: 'long' })),
      { name: 'type', type: { type: 'enum', name: 'BehaviourType', symbols: ['pv', 'cart', 'fav', 'buy'] } },
      { name: 'event_time', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  })
  for (const line of gunzipSync(readFileSync(file)).toString().trim().split('\n')) {
    const [user, item, category, kind, seconds] = line.split(',')
    const timeMs = Number(seconds) * 1000
    const ids = { user_id: Number(user), item_id: Number(item), category_id: Number(category) }
    const event = { ...ids, type: kind, event_time: timeMs }
    const json = Buffer.from(JSON.stringify(event))
    yield { topic: kind === 'pv' ? 0 : 1, key: user, timeMs, json, avro: type.toBuffer(event) }
  }
}

class Topic {
  bytes = 0
  constructor(compression) {
    this.builder = new RecordBatchBuilder({ compression })
  }

  add(timeMs, key, value) {
    this.builder.add(timeMs, key, 0, key.length, value, 0, value.length)
    if (this.builder.count >= BATCH_RECORDS) this.close()
  }

  close() {
    if (this.builder.count > 0) this.bytes += this.builder.finish().bytes.length
  }
}

function report(what, events) {
  const pair = (compression) => [new Topic(compression), new Topic(compression)]
  const topics = { json: pair('none'), avro: pair('lz4') }
  let count = 0
  for (const { topic, key, timeMs, json, avro: body } of events) {
    const keyBytes = Buffer.from(key)
    topics.json[topic].add(timeMs, keyBytes, json)
    topics.avro[topic].add(timeMs, keyBytes, body)
    count++
  }
  const [json, lz4] = Object.values(topics).map((two) => {
    for (const one of two) one.close()
    return two[0].bytes + two[1].bytes
  })
  const each = (bytes) => `${(bytes / count).toFixed(1)} bytes an event`
  process.stdout.write(
    `${what}: ${count} events; JSON ${each(json)}, Avro with LZ4 ${each(lz4)}: ${((1 - lz4 / json) * 100).toFixed(1)} % less\n`,
  )
}

report('the workload of README.md', workload(Number(given.views)))
if (given.real !== undefined) report(given.real, real(given.real))
