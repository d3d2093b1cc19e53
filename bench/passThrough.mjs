/**
 * The ceiling: reads both topics as the node does, sends the views on, joins nothing. What a node costs beyond this is
 * the join's.
 *
 * Same log adapter, fetch sizes, bounds and commits as the node; no columns are decoded. Prints `reading` when the first
 * chunk has come and `done` when all that lay in the topics at the start is durable; waits for SIGTERM then.
 */
import { openKafkaLog } from '../dist/log/kafka/kafkaLog.js'
import { RecordBatchBuilder } from '../dist/log/recordBatch/builder.js'

const FETCH_BYTES = 512 * 1024
const FETCH_WAIT_MS = 250
const BATCH_BYTES = 512 * 1024
/** Sent and not yet answered: beyond it nothing more is taken. */
const OUTPUT_BYTES = 64 * 1024 * 1024
const COMMIT_EVERY_MS = 1_000
const MAX_INFLATED_BYTES = 64 * 1024 * 1024

const [brokers, group, output, ...topics] = process.argv.slice(2)
const log = await openKafkaLog({ kafka: { brokers: [brokers], sessionTimeoutMs: 30_000 }, clientId: group })
const writer = await log.writer()
const ends = await log.ends(topics)
const nameOf = ({ topic, partition }) => `${topic} ${partition}`
const left = new Map(ends.filter(({ low, high }) => high > low).map((end) => [nameOf(end), end.high]))
const positions = new Map(ends.map((end) => [nameOf(end), { ...end, offset: end.low }]))
const builders = new Map()
let records = 0
let sending = 0
let isPaused = false
let isReading = false

const tell = (event) => process.stdout.write(`${JSON.stringify({ event, time: Date.now(), records })}\n`)

async function send(partition, builder) {
  const batch = builder.finish()
  sending += batch.bytes.length
  if (sending > OUTPUT_BYTES) pauseAll(true)
  await writer.append(output, partition, batch)
  sending -= batch.bytes.length
  if (isPaused && sending < OUTPUT_BYTES / 2) pauseAll(false)
  if (sending === 0) finish()
}

function pauseAll(pause) {
  isPaused = pause
  for (const { topic, partition } of ends) reader[pause ? 'pause' : 'resume']({ topic, partition })
}

function finish() {
  if (left.size > 0) return
  for (const [partition, builder] of builders) if (builder.count > 0) void send(partition, builder)
  if (sending === 0) tell('done')
}

function chunk(read) {
  if (!isReading) {
    isReading = true
    tell('reading')
  }
  records += read.count
  if (read.topic === topics[0]) passOn(read)
  positions.get(nameOf(read)).offset = read.nextOffset
  if (read.nextOffset >= (left.get(nameOf(read)) ?? Number.POSITIVE_INFINITY)) left.delete(nameOf(read))
  finish()
}

function passOn({ partition, count, bytes, stampMs, keyAt, keyLength, valueAt, valueLength }) {
  let builder = builders.get(partition)
  if (builder === undefined) builders.set(partition, (builder = new RecordBatchBuilder({ compression: 'lz4' })))
  for (let i = 0; i < count; i++) {
    if (builder.sizeBytes > BATCH_BYTES - 1024) void send(partition, builder)
    builder.add(stampMs[i], bytes, keyAt[i], keyLength[i], bytes, valueAt[i], valueLength[i])
  }
}

const reader = log.reader({
  group,
  topics,
  fetchBytesPerPartition: FETCH_BYTES,
  maxWaitMs: FETCH_WAIT_MS,
  maxInflatedBytes: MAX_INFLATED_BYTES,
  onAssigned: async () => [...positions.values()].map(({ topic, partition, offset }) => ({ topic, partition, offset })),
  onRevoking: async () => {},
  onChunk: chunk,
  onFailed: (error) => {
    throw error
  },
})
await reader.start()
tell('started')
const commits = setInterval(() => {
  const entries = [...positions.values()].map(({ topic, partition, offset }) => ({
    topic,
    partition,
    offset,
    metadata: '',
  }))
  void reader.commit(entries).catch(() => {})
}, COMMIT_EVERY_MS)
process.once('SIGTERM', async () => {
  clearInterval(commits)
  await log.close()
  process.exit(0)
})
