/**
 * kafkajs as it is, in a process of its own: what Postview reads and writes must look the same to others.
 * `node plainKafka.mjs BROKERS TOPIC COUNT` prints COUNT records of the topic as JSON lines, from its beginning.
 */
import { createRequire } from 'node:module'
import { decompressFrameSync } from 'lz4-napi'

const kafkajs = createRequire(import.meta.url)('kafkajs')
const [brokers, topic, count] = process.argv.slice(2)

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  decompress: async (bytes) => decompressFrameSync(bytes),
})
const client = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
const consumer = client.consumer({ groupId: `plain-${topic}`, maxWaitTimeInMs: 100 })
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
let left = Number(count)
await new Promise((resolve) => {
  consumer.run({
    eachMessage: async ({ partition, message }) => {
      if (left === 0) return
      const text = (bytes) => (bytes === null ? null : bytes.toString('latin1'))
      const headers = Object.entries(message.headers).map(([name, value]) => [name, text(value)])
      const { offset, timestamp, key, value } = message
      console.log(
        JSON.stringify({
          partition,
          offset: Number(offset),
          stampMs: Number(timestamp),
          key: text(key),
          value: text(value),
          headers,
        }),
      )
      if (--left === 0) resolve()
    },
  })
})
await consumer.disconnect()
