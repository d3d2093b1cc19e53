/** TxnOffsetCommit, version 3, byte by byte as the protocol's definition has it (TxnOffsetCommitRequest.json). */
import { expect, it } from 'vitest'
import type { Broker, FlexibleEncoder } from '../../../src/log/kafka/internals.ts'
import { wire } from '../../../src/log/kafka/patch.ts'
import { requestOf, sendTxnOffsets } from '../../../src/log/kafka/txnOffsets.ts'

const OFFSETS = {
  transactionalId: 'group-1',
  groupId: 'group',
  producerId: '4294967298',
  producerEpoch: 3,
  generationId: 7,
  memberId: 'm-1',
  topics: [
    { topic: 'views', partitions: [{ partition: 1, offset: '258', metadata: 'p2' }] },
    { topic: 'é', partitions: [{ partition: 1, offset: '0', metadata: 'x'.repeat(200) }] },
  ],
}
/** Lengths are one more than they are, in groups of seven bits. */
const text = (value: string) => {
  const bytes = Buffer.from(value)
  const size = bytes.length + 1
  return [...(size < 128 ? [size] : [(size & 127) | 128, size >> 7]), ...bytes]
}
const NO_TAGS = 0

it('names the member and its generation', async () => {
  const { request } = requestOf(wire, OFFSETS)
  expect(request).toMatchObject({ apiKey: 28, apiVersion: 3 })
  const encoded = (await request.encode()) as FlexibleEncoder & { readonly buffer: Buffer }
  expect([...encoded.buffer]).toEqual([
    ...[NO_TAGS, ...text('group-1'), ...text('group')],
    ...[0, 0, 0, 1, 0, 0, 0, 2],
    ...[0, 3],
    ...[0, 0, 0, 7, ...text('m-1')],
    0, // no static member
    3, // two topics
    ...[...text('views'), 2, 0, 0, 0, 1],
    ...[0, 0, 0, 0, 0, 0, 1, 2],
    ...[255, 255, 255, 255, ...text('p2'), NO_TAGS, NO_TAGS],
    ...[...text('é'), 2, 0, 0, 0, 1],
    ...[0, 0, 0, 0, 0, 0, 0, 0],
    ...[255, 255, 255, 255, ...text('x'.repeat(200)), NO_TAGS, NO_TAGS],
    NO_TAGS,
  ])
})

it('reads the answer, and throws what the first refused partition says', async () => {
  const { response } = requestOf(wire, OFFSETS)
  const answer = (code: number) =>
    Buffer.from([
      ...[NO_TAGS, 0, 0, 0, 9, 3],
      ...[...text('views'), 2, 0, 0, 0, 1, 0, 0, NO_TAGS, NO_TAGS],
      ...[...text('é'), 2, 0, 0, 0, 1, 0, code, NO_TAGS, NO_TAGS],
      NO_TAGS,
    ])
  expect(await response.parse(await response.decode(answer(0)))).toEqual([0, 0])
  const refused = await response.decode(answer(22))
  await expect(response.parse(refused)).rejects.toMatchObject({ type: 'ILLEGAL_GENERATION' })
})

it('is not sent to a broker that does not know it', () => {
  const old = { versions: { 28: { minVersion: 0, maxVersion: 2 } } } as unknown as Broker
  expect(() => sendTxnOffsets(wire, old, OFFSETS)).toThrow('Kafka 2.5')
})
