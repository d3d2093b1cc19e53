/**
 * kafkajs as it is, with the codec that its users bring for LZ4. Loads no part of src, which patches kafkajs: what tests
 * write and read by this must not depend on that.
 */
import kafkajs from 'kafkajs'
import { compressFrame, decompressFrame } from 'lz4-napi'

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compressFrame(buffer),
  decompress: (bytes: Buffer) => decompressFrame(bytes),
})

export function plainKafka(brokers: string): kafkajs.Kafka {
  return new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
}
