/**
 * Offsets of a transaction, sent as a member of the group: TxnOffsetCommit, version 3 (KIP-447). kafkajs knows the request
 * up to version 1, which names a producer and no member.
 *
 * Trap: the group's coordinator refuses the offsets of a fenced producer, but forgets with them what the present owner has
 * sent under the same producer id (seen on Kafka 3.9.1): that owner's transaction would end with its output and without
 * its offsets. A member of an earlier generation it refuses before it looks at anything else.
 *
 * How it fails: with the first partition's error; FAILED where the broker is older than Kafka 2.5.
 */
import { LogError } from '../port.ts'
import type {
  Broker,
  FlexibleDecoder,
  FlexibleEncoder,
  MemberIdentity,
  OffsetEntry,
  RawRequest,
  TxnOffsets,
  Wire,
} from './internals.ts'

const TXN_OFFSET_COMMIT = 28
const VERSION = 3
/** Offsets are committed without the epoch of the leader that they were read from. */
const NO_LEADER_EPOCH = -1

/** Who commits in no group: the coordinator takes it at its word. */
export const NO_MEMBER: MemberIdentity = { memberId: '', generationId: -1 }

export function sendTxnOffsets(wire: Wire, broker: Broker, offsets: TxnOffsets): Promise<unknown> {
  const { maxVersion } = broker.versions[TXN_OFFSET_COMMIT] ?? { maxVersion: -1 }
  if (maxVersion < VERSION) throw new LogError('FAILED', 'exactly-once needs brokers of Kafka 2.5 or newer')
  return broker.connectionPool.send(requestOf(wire, offsets))
}

export function requestOf(wire: Wire, offsets: TxnOffsets): RawRequest<number[]> {
  return {
    request: {
      apiKey: TXN_OFFSET_COMMIT,
      apiVersion: VERSION,
      apiName: 'TxnOffsetCommit',
      encode: async () => encode(wire, offsets),
    },
    response: {
      decode: async (bytes) => codesOf(new wire.Decoder(bytes)),
      parse: async (codes) => {
        const refused = codes.find((code) => code !== 0)
        if (refused !== undefined) throw wire.createErrorFromCode(refused)
        return codes
      },
    },
  }
}

function encode({ Encoder }: Wire, offsets: TxnOffsets): FlexibleEncoder {
  const { transactionalId, groupId, producerId, producerEpoch, generationId, memberId, topics } = offsets
  const topic = (name: string, partitions: readonly OffsetEntry[]) =>
    new Encoder().writeUVarIntString(name).writeUVarIntArray(partitions.map(entry)).writeUVarIntBytes()
  const entry = ({ partition, offset, metadata = '' }: OffsetEntry) =>
    new Encoder()
      .writeInt32(partition)
      .writeInt64(offset)
      .writeInt32(NO_LEADER_EPOCH)
      .writeUVarIntString(metadata)
      .writeUVarIntBytes()
  // The first tagged fields are those of the request's header; the null is the name of a static member.
  return new Encoder()
    .writeUVarIntBytes()
    .writeUVarIntString(transactionalId)
    .writeUVarIntString(groupId)
    .writeInt64(producerId)
    .writeInt16(producerEpoch)
    .writeInt32(generationId)
    .writeUVarIntString(memberId)
    .writeUVarIntString(null)
    .writeUVarIntArray(topics.map((each) => topic(each.topic, each.partitions)))
    .writeUVarIntBytes()
}

/** Of each partition. */
function codesOf(from: FlexibleDecoder): number[] {
  from.readTaggedFields()
  from.readInt32() // throttle time
  return from
    .readUVarIntArray((topic) => {
      topic.readUVarIntString()
      const codes = topic.readUVarIntArray((each) => {
        each.readInt32()
        const code = each.readInt16()
        each.readTaggedFields()
        return code
      })
      topic.readTaggedFields()
      return codes
    })
    .flat()
}
