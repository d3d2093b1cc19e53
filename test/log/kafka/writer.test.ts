/** How appends share requests, and what a refusal of one means for the others, against brokers that are made up. */
import { expect, it } from 'vitest'
import type { ProduceAnswer, ProduceTopic } from '../../../src/log/kafka/internals.ts'
import type { Leaders } from '../../../src/log/kafka/leaders.ts'
import { KafkaWriter } from '../../../src/log/kafka/writer.ts'

const TOPIC = 'samples'
const batch = (text: string) => ({ bytes: Buffer.from(text), count: 1 })
const later = Object.assign(new Error('not enough replicas'), { type: 'NOT_ENOUGH_REPLICAS', retriable: true })
const never = Object.assign(new Error('too large'), { type: 'MESSAGE_TOO_LARGE', retriable: false })

/** One leader of all partitions. `refuses`: per partition, with what; `refusesAll`: a request that has such a batch. */
class Brokers {
  readonly refuses = new Map<number, Error>()
  refusesAll: ((text: string) => boolean) | undefined
  /** Per partition, what was taken. */
  readonly taken = new Map<number, string[]>()
  requests = 0
  readonly writer = new KafkaWriter(this as unknown as Leaders, undefined)

  leaderOf = () => 1
  connect = async () => {}
  close = async () => {}
  forget(): void {}
  refresh = async () => {}

  brokerOf = async () => ({
    produce: async ({ topicData }: { topicData: ProduceTopic[] }): Promise<ProduceAnswer> => {
      this.requests++
      const [{ partitions }] = topicData
      const texts = partitions.map(({ messages: [{ prebuilt }] }) => prebuilt.toString())
      if (texts.some((text) => this.refusesAll?.(text))) throw never
      let error: Error | undefined
      const answers = partitions.map(({ partition }, i) => {
        const refusal = this.refuses.get(partition)
        error ??= refusal
        if (refusal !== undefined) return { partition, errorCode: 19, baseOffset: '-1' }
        const taken = this.taken.get(partition) ?? []
        this.taken.set(partition, [...taken, texts[i]])
        return { partition, errorCode: 0, baseOffset: String(taken.length) }
      })
      const answer = { topics: [{ topicName: TOPIC, partitions: answers }] } as unknown as ProduceAnswer
      if (error !== undefined) throw Object.assign(Object.create(error), { answer })
      return answer
    },
  })

  append(partition: number, text: string): Promise<number> {
    return this.writer.append(TOPIC, partition, batch(text))
  }
}

it('a batch that is refused for a while holds up none of those that shared its request', async () => {
  const brokers = new Brokers()
  brokers.refuses.set(0, later)
  let isTaken = false
  const held = [brokers.append(0, 'a'), brokers.append(0, 'b')]
  void Promise.all(held).then(() => {
    isTaken = true
  })
  const others = [1, 2].flatMap((partition) => ['c', 'd', 'e'].map((text) => brokers.append(partition, text)))
  expect(await Promise.all(others)).toEqual([0, 1, 2, 0, 1, 2])
  expect(isTaken).toBe(false)
  brokers.refuses.clear()
  expect(await Promise.all(held)).toEqual([0, 1])
  expect(brokers.taken.get(0)).toEqual(['a', 'b'])
  await brokers.writer.close()
})

it('of a request that is refused for good as a whole only the guilty batch fails, and what comes behind it goes on', async () => {
  const brokers = new Brokers()
  brokers.refusesAll = (text) => text === 'bad'
  const appends = [
    brokers.append(0, 'a'),
    brokers.append(1, 'bad'),
    brokers.append(2, 'c'),
    brokers.append(1, 'behind'),
  ]
  const settled = await Promise.allSettled(appends)
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  await expect(appends[1]).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringMatching(/^appending 1 records \(3 bytes\) to samples\/1: /),
  })
  expect([...brokers.taken]).toEqual([
    [0, ['a']],
    [2, ['c']],
    [1, ['behind']],
  ])
  await brokers.writer.close()
})

it('what is still refused when the writer is closed is rejected, and nothing is sent any more', async () => {
  const brokers = new Brokers()
  brokers.refuses.set(0, never)
  await expect(brokers.append(0, 'a')).rejects.toMatchObject({ code: 'TOO_LARGE' })
  await brokers.writer.close()
  const { requests } = brokers
  await expect(brokers.append(0, 'b')).rejects.toMatchObject({ code: 'CLOSED' })
  expect(brokers.requests).toBe(requests)
})
