/**
 * The log port over a recorded trace: fetches as a broker would answer them, decoded by the program's own reader;
 * appends are kept as they come, for the check afterwards. No sockets and no kafkajs: what is left is the node's own.
 *
 * Invariant: like Kafka's, a fetch is whole batches of at most the bytes asked for, and at least one.
 */
const TICK = () => new Promise(setImmediate)

export class RecordedLog {
  kind = 'kafka'

  /** `onSamples` is told how many records the output topic has. */
  constructor(trace, { topics, output, readRecordBatches, onSamples }) {
    this.trace = trace
    this.topicNames = topics
    this.output = output
    this.readRecordBatches = readRecordBatches
    this.onSamples = onSamples
    this.appended = []
    this.samples = 0
    this.ended = new Map()
    this.fetches = 0
  }

  async topics(names) {
    return names.map((topic) => ({ topic, partitions: this.trace.partitions, settings: new Map() }))
  }

  async createTopics() {}

  async ends(topics) {
    return topics.flatMap((topic) =>
      Array.from({ length: this.trace.partitions }, (_, partition) => ({
        topic,
        partition,
        low: 0,
        high: this.laneOf(topic, partition)?.end ?? this.ended.get(`${topic} ${partition}`) ?? 0,
      })),
    )
  }

  async committed(_, topics) {
    return (await this.ends(topics)).map(({ topic, partition }) => ({ topic, partition, offset: -1, metadata: '' }))
  }

  async *readRange() {}

  laneOf(topic, partition) {
    const kind = this.topicNames.indexOf(topic)
    return this.trace.lanes.find((lane) => lane.kind === kind && lane.partition === partition)
  }

  reader(options) {
    return new RecordedReader(this, options)
  }

  async writer() {
    return { append: (topic, partition, batch) => this.append(topic, partition, batch), close: async () => {} }
  }

  async append(topic, partition, { bytes, count }) {
    await TICK()
    const name = `${topic} ${partition}`
    const base = this.ended.get(name) ?? 0
    this.ended.set(name, base + count)
    if (topic === this.output) {
      this.appended.push(bytes)
      this.samples += count
      this.onSamples(this.samples)
    }
    return base
  }

  async close() {}
}

class RecordedReader {
  constructor(log, options) {
    this.log = log
    this.options = options
    this.paused = new Set()
    this.closed = false
    this.lanes = log.trace.lanes.map((lane) => ({ ...lane, next: 0, offset: 0, topic: options.topics[lane.kind] }))
  }

  async start() {
    await this.options.onAssigned(Array.from({ length: this.log.trace.partitions }, (_, k) => k))
    void this.run().catch((error) => this.options.onFailed(error))
  }

  async run() {
    while (!this.closed) {
      for (const lane of this.lanes) {
        if (lane.next >= lane.batches.length || this.paused.has(nameOf(lane))) continue
        this.fetch(lane)
        await TICK()
      }
      await TICK()
    }
  }

  fetch(lane) {
    const { batches, topic, partition } = lane
    const [first] = batches[lane.next]
    let end = first
    let records = 0
    for (; lane.next < batches.length; lane.next++) {
      const [at, length, count] = batches[lane.next]
      if (end > first && at + length - first > this.options.fetchBytesPerPartition) break
      end = at + length
      records += count
    }
    this.log.fetches++
    const raw = this.log.trace.bytes.subarray(first, end)
    const chunk = this.log.readRecordBatches(Buffer.from(raw), {
      topic,
      partition,
      fromOffset: lane.offset,
      highWatermark: lane.end,
      maxInflatedBytes: this.options.maxInflatedBytes,
    })
    lane.offset += records
    this.options.onChunk(chunk)
  }

  async commit() {}

  pause(partition) {
    this.paused.add(nameOf(partition))
  }

  resume(partition) {
    this.paused.delete(nameOf(partition))
  }

  async close() {
    this.closed = true
  }
}

const nameOf = ({ topic, partition }) => `${topic} ${partition}`
