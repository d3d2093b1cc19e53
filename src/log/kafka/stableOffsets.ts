/**
 * A group's committed offsets, once no transaction that names them is pending: OffsetFetch, version 7, with
 * `require_stable`. kafkajs knows the request up to version 4, which answers with what was committed before while a
 * transaction that is committed already has not reached the group's coordinator.
 *
 * Trap: asked for all of a group's offsets, the broker leaves out those whose first commit is pending. So partitions are
 * named.
 *
 * How it fails: a retriable error where an offset is unstable; FAILED where the broker is older than Kafka 2.5.
 */
import { type Committed, LogError } from '../port.ts'
import type { Broker, FlexibleDecoder, FlexibleEncoder } from './internals.ts'
import { wire } from './patch.ts'

const OFFSET_FETCH = 9
const VERSION = 7
const UNSTABLE_OFFSET_COMMIT = 88
/** What kafkajs calls the same trouble: it passes as soon as the transaction is ended. */
const CONCURRENT_TRANSACTIONS = 51

/** Of each partition of each topic; -1 where nothing is committed. */
export async function stableOffsets(
  broker: Broker,
  group: string,
  topics: readonly string[],
  partitions: readonly number[],
): Promise<Committed[]> {
  const { maxVersion } = broker.versions[OFFSET_FETCH] ?? { maxVersion: -1 }
  if (maxVersion < VERSION) throw new LogError('FAILED', 'exactly-once needs brokers of Kafka 2.5 or newer')
  return broker.connectionPool.send({
    request: {
      apiKey: OFFSET_FETCH,
      apiVersion: VERSION,
      apiName: 'OffsetFetch',
      // The first tagged fields are those of the request's header.
      encode: async () =>
        new wire.Encoder()
          .writeUVarIntBytes()
          .writeUVarIntString(group)
          .writeUVarIntArray(topics.map((topic) => encodeTopic(topic, partitions)))
          .writeBoolean(true)
          .writeUVarIntBytes(),
    },
    response: { decode: async (bytes) => decode(bytes), parse: async (offsets) => offsets },
  })
}

function encodeTopic(topic: string, partitions: readonly number[]): FlexibleEncoder {
  const numbers = partitions.map((partition) => new wire.Encoder().writeInt32(partition))
  return new wire.Encoder().writeUVarIntString(topic).writeUVarIntArray(numbers).writeUVarIntBytes()
}

function decode(bytes: Buffer): Committed[] {
  const from = new wire.Decoder(bytes)
  from.readTaggedFields()
  from.readInt32() // throttle time
  const topics = from.readUVarIntArray(topicOf)
  refuse(from.readInt16())
  return topics.flat()
}

function topicOf(from: FlexibleDecoder): Committed[] {
  const topic = from.readUVarIntString() ?? ''
  const offsets = from.readUVarIntArray((each) => partitionOf(topic, each))
  from.readTaggedFields()
  return offsets
}

function partitionOf(topic: string, from: FlexibleDecoder): Committed {
  const partition = from.readInt32()
  const offset = Number(from.readInt64())
  from.readInt32() // leader epoch
  const metadata = from.readUVarIntString() ?? ''
  refuse(from.readInt16())
  from.readTaggedFields()
  return { topic, partition, offset, metadata }
}

function refuse(code: number): void {
  if (code !== 0) throw wire.createErrorFromCode(code === UNSTABLE_OFFSET_COMMIT ? CONCURRENT_TRANSACTIONS : code)
}
