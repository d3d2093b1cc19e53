/** The transactional writer against a real broker: what becomes visible, when, and to whom. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CommitEntry, type Log, LogError, type Reader, type TransactionalWriter } from '../../src/log/port.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { openLog, recordsIn, unsealedBatch } from '../support/kafkaTools.ts'
import { hold, loseAnswers } from '../support/lostAnswers.ts'

const TIMEOUT_MS = 60_000

let broker: SharedBroker
let log: Log
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  broker = await sharedBroker()
  log = await openLog(broker.brokers)
})
afterAll(async () => {
  for (const close of closing.reverse()) await close()
  await log?.close()
  await broker?.stop()
})

interface World {
  readonly group: string
  readonly source: string
  readonly output: string
  readonly side: string
  entries(offset: number, metadata?: string): () => readonly CommitEntry[]
}

async function worldOf(): Promise<World> {
  const [group, source, output, side] = ['group', 'source', 'output', 'side'].map(uniqueName)
  await log.createTopics([source, output, side].map((topic) => ({ topic, partitions: 2 })))
  const entries = (offset: number, metadata = `at ${offset}`) => {
    return () => [{ topic: source, partition: 1, offset, metadata }]
  }
  return { group, source, output, side, entries }
}

async function writerOf(group: string, from: Log = log, timeoutMs = TIMEOUT_MS): Promise<TransactionalWriter> {
  const writer = await from.transactionalWriter!(group, timeoutMs)
  closing.push(() => writer.close())
  return writer
}

/** An owner and the one that comes after it, each with a log of its own. */
async function rivals(group: string): Promise<[old: TransactionalWriter, next: TransactionalWriter, otherLog: Log]> {
  const otherLog = await openLog(broker.brokers, 'other')
  closing.push(() => otherLog.close())
  return [await writerOf(group), await writerOf(group, otherLog), otherLog]
}

interface Member {
  readonly reader: Reader
  /** Partitions of its last assignment, until they are revoked. */
  has: readonly number[]
  assignments: number
}

/** A member of the group, with its first assignment. Writers of the same log commit as this member from now on. */
async function memberOf(of: Log, group: string, source: string, onRevoking: () => Promise<unknown> = async () => {}) {
  const reader = of.reader({
    group,
    topics: [source],
    fetchBytesPerPartition: 65_536,
    maxWaitMs: 100,
    maxInflatedBytes: 65_536,
    onAssigned: async (partitions) => {
      member.has = partitions
      member.assignments++
      return partitions.map((partition) => ({ topic: source, partition, offset: 0 }))
    },
    onRevoking: async () => {
      member.has = []
      await onRevoking()
    },
    onChunk: () => {},
    onFailed: () => {},
  })
  const member: Member = { reader, has: [], assignments: 0 }
  closing.push(() => reader.close())
  await reader.start()
  return member
}

/** What readers of committed records are given, however long the log is beyond it. */
async function visible(topic: string, partition = 1): Promise<(string | null)[]> {
  const end = (await log.ends([topic])).find((each) => each.partition === partition)!
  return (await recordsIn(log, topic, partition, 0, end.high)).map(({ value }) => value)
}

async function codeOf(doing: Promise<unknown>): Promise<string> {
  const error = await doing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LogError)
  return (error as LogError).code
}

const numbered = (from: number, count: number) => Array.from({ length: count }, (_, i) => `value-${from + i}`)

describe('a transaction', () => {
  it('shows its output, its side output and its offsets with their metadata together, and the next follows at once', async () => {
    const { group, source, output, side, entries } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: -1 }])
    for (let k = 0; k < 5; k++) {
      const appends = [
        writer.append(output, 1, unsealedBatch(numbered(k * 10, 5))),
        writer.append(output, 1, unsealedBatch(numbered(k * 10 + 5, 5), 'lz4')),
        writer.append(side, 1, unsealedBatch([`side-${k}`])),
      ]
      const offsets = await Promise.all(appends)
      expect(offsets[1]).toBe(offsets[0] + 5)
      await writer.commit(1, entries(k))
      expect(await writer.committed([source], [1])).toEqual([
        { topic: source, partition: 1, offset: k, metadata: `at ${k}` },
      ])
    }
    expect(await visible(output)).toEqual(numbered(0, 50))
    expect(await visible(side)).toEqual(numbered(0, 5).map((text) => text.replace('value', 'side')))
  })

  it('shows nothing of itself before its end, and nothing at all when its partition is given up', async () => {
    const { group, source, output, entries } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    await writer.append(output, 1, unsealedBatch(['first']))
    await writer.commit(1, entries(1))
    await writer.append(output, 1, unsealedBatch(['never']))
    await writer.release(1)
    expect(await codeOf(writer.append(output, 1, unsealedBatch(['late'])))).toBe('CLOSED')
    await writer.open(1)
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: 1 }])
    await writer.append(output, 1, unsealedBatch(['second']))
    await writer.commit(1, entries(2))
    expect(await visible(output)).toEqual(['first', 'second'])
  })

  it('leaves what was appended after the cut to the next one', async () => {
    const { group, output, entries } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    const before = writer.append(output, 1, unsealedBatch(['before']))
    writer.cut(1)
    const after = writer.append(output, 1, unsealedBatch(['after']))
    let isAfterThere = false
    void after.then(() => {
      isAfterThere = true
    })
    await before
    expect(isAfterThere).toBe(false)
    await writer.commit(1, entries(1))
    // A control record lies between the two.
    expect([await before, await after]).toEqual([0, 2])
    await writer.release(1)
    await writer.open(1)
    expect(await visible(output)).toEqual(['before'])
  })

  it('is none where nothing was appended and nothing is to be committed', async () => {
    const { group, source, output } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    await writer.commit(1, () => [])
    await writer.append(output, 1, unsealedBatch(['one']))
    await writer.commit(1, () => [])
    expect(await visible(output)).toEqual(['one'])
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: -1 }])
  })

  it('of offsets alone is one: the first commit of a partition', async () => {
    const { group, source, output, entries } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    await writer.commit(1, entries(7, 'm'.repeat(4_000)))
    expect(await writer.committed([source], [1])).toEqual([
      { topic: source, partition: 1, offset: 7, metadata: 'm'.repeat(4_000) },
    ])
    expect(await log.ends([output])).toMatchObject([{ high: 0 }, { high: 0 }])
  })

  it('keeps partitions apart: one is ended while the other is open', async () => {
    const { group, output } = await worldOf()
    const writer = await writerOf(group)
    await Promise.all([writer.open(0), writer.open(1)])
    await writer.append(output, 0, unsealedBatch(['zero']))
    await writer.append(output, 1, unsealedBatch(['one']))
    await writer.commit(0, () => [])
    expect(await visible(output, 0)).toEqual(['zero'])
    await writer.release(1)
    expect(await codeOf(writer.commit(1, () => []))).toBe('CLOSED')
  })

  it('cannot be committed without an output that the topic refused', async () => {
    const { group, source, entries } = await worldOf()
    const narrow = uniqueName('narrow')
    await log.createTopics([{ topic: narrow, partitions: 2, settings: { 'max.message.bytes': '10000' } }])
    const writer = await writerOf(group)
    await writer.open(1)
    const small = writer.append(narrow, 1, unsealedBatch(['small']))
    const large = writer.append(narrow, 1, unsealedBatch(['x'.repeat(20_000)]))
    const ended = writer.commit(1, entries(3))
    await small
    expect(await codeOf(large)).toBe('TOO_LARGE')
    expect(await codeOf(ended)).toBe('TOO_LARGE')
    await writer.open(1)
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: -1 }])
    expect(await visible(narrow)).toEqual([])
  })
})

describe('an owner', () => {
  it('is fenced by the next one: nothing that it sends counts, and it is told', async () => {
    const { group, source, output, entries } = await worldOf()
    const [old, next] = await rivals(group)
    await old.open(1)
    await old.append(output, 1, unsealedBatch(['committed by the old']))
    await old.commit(1, entries(1))
    await old.append(output, 1, unsealedBatch(['open when it was fenced']))

    await next.open(1)
    expect(await next.committed([source], [1])).toMatchObject([{ offset: 1 }])
    expect(await codeOf(old.append(output, 1, unsealedBatch(['late, in the same transaction'])))).toBe('FENCED')
    expect(await codeOf(old.commit(1, entries(9)))).toBe('FENCED')
    expect(await codeOf(old.append(output, 1, unsealedBatch(['later still'])))).toBe('FENCED')
    await next.append(output, 1, unsealedBatch(['by the next']))
    await next.commit(1, entries(2))
    await old.release(1)
    expect(await next.committed([source], [1])).toMatchObject([{ offset: 2 }])
    expect(await visible(output)).toEqual(['committed by the old', 'by the next'])
  })

  it('is fenced also where it has nothing to say but offsets', async () => {
    const { group, source, entries } = await worldOf()
    const [old, next] = [await writerOf(group), await writerOf(group)]
    await old.open(1)
    await next.open(1)
    await next.commit(1, entries(5))
    expect(await codeOf(old.commit(1, entries(4)))).toBe('FENCED')
    expect(await next.committed([source], [1])).toMatchObject([{ offset: 5 }])
  })

  it('that has slept in the middle of a commit costs the next one none of the offsets that it has sent', async () => {
    const { group, source, output, entries } = await worldOf()
    const [old, next, otherLog] = await rivals(group)
    const member = await memberOf(log, group, source)
    await old.open(1)
    const sleep = hold('txnOffsetCommit', `${group}-1`, 'request')
    const late = codeOf(old.commit(1, entries(9)))
    await sleep.reached
    await member.reader.close()

    await memberOf(otherLog, group, source)
    await next.open(1)
    await next.append(output, 1, unsealedBatch(['by the next']))
    const end = hold('endTxn', `${group}-1`, 'request')
    const ended = next.commit(1, entries(5))
    await end.reached
    sleep.release()
    const refusal = await late
    end.release()
    await ended
    expect(await next.committed([source], [1])).toMatchObject([{ offset: 5 }])
    expect(await visible(output)).toEqual(['by the next'])
    expect(refusal).toBe('NOT_OWNER')
  })

  it('commits while its group is on the move, and after it what it still has', async () => {
    const { group, source, output, entries } = await worldOf()
    const [writer, , otherLog] = await rivals(group)
    await Promise.all([writer.open(0), writer.open(1)])
    const commit = (partition: number, offset: number) =>
      writer.commit(partition, () => [{ ...entries(offset)()[0], partition }])
    const member = await memberOf(log, group, source, () => Promise.all([0, 1].map((each) => commit(each, 1))))
    await writer.append(output, 1, unsealedBatch(['in hand when the group moved']))
    const other = await memberOf(otherLog, group, source)
    await vi.waitUntil(() => member.has.length + other.has.length === 2, { timeout: 20_000 })
    const committed = async () => (await writer.committed([source], [0, 1])).map(({ offset }) => offset)
    expect(await committed()).toEqual([1, 1])
    expect(await visible(output)).toEqual(['in hand when the group moved'])
    for (const partition of other.has) expect(await codeOf(commit(partition, 2))).toBe('NOT_OWNER')
    await Promise.all(member.has.map((partition) => commit(partition, 2)))
    expect(await committed()).toEqual([0, 1].map((each) => (member.has.includes(each) ? 2 : 1)))
  })

  it('that keeps its partition commits as the member of the next generation what it sent in the one before', async () => {
    const { group, source, entries } = await worldOf()
    const writer = await writerOf(group)
    const member = await memberOf(log, group, source)
    await writer.open(1)
    const late = hold('txnOffsetCommit', `${group}-1`, 'request')
    const committed = writer.commit(1, entries(3))
    await late.reached
    const before = member.assignments
    member.reader.rejoin!()
    await vi.waitUntil(() => member.assignments > before, { timeout: 20_000 })
    late.release()
    await committed
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: 3 }])
  })

  it('is fenced by the coordinator that has waited too long for the end of a transaction', async () => {
    const { group, output, entries } = await worldOf()
    const writer = await writerOf(group, log, 1_000)
    await writer.open(1)
    await writer.append(output, 1, unsealedBatch(['forgotten']))
    // The broker looks for such transactions every 10 seconds; readers see the end of one.
    await vi.waitUntil(async () => (await log.ends([output]))[1].high === 2, { timeout: 30_000, interval: 100 })
    expect(await codeOf(writer.commit(1, entries(1)))).toBe('FENCED')
    await writer.open(1)
    await writer.append(output, 1, unsealedBatch(['again']))
    await writer.commit(1, entries(1))
    expect(await visible(output)).toEqual(['again'])
  })
})

describe('an answer that is lost', () => {
  const CALLS = ['produce', 'addPartitionsToTxn', 'addOffsetsToTxn', 'txnOffsetCommit', 'endTxn'] as const

  it.each(CALLS)('of %s costs neither records nor order, and repeats nothing', async (call) => {
    const { group, source, output, entries } = await worldOf()
    const writer = await writerOf(group)
    await writer.open(1)
    const lost = loseAnswers(call, `${group}-1`, 2)
    for (let k = 0; k < 3; k++) {
      const appended = [0, 1, 2].map((i) => writer.append(output, 1, unsealedBatch([`value-${k * 3 + i}`])))
      await Promise.all([...appended, writer.commit(1, entries(k))])
    }
    expect(lost()).toBe(2)
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: 2 }])
    expect(await visible(output)).toEqual(numbered(0, 9))
  })

  it('of the end of a transaction, for too long, leaves its outcome open: the next owner finds it out', async () => {
    const { group, source, output, entries } = await worldOf()
    const writer = await writerOf(group, log, 1_000)
    await writer.open(1)
    await writer.append(output, 1, unsealedBatch(['committed after all']))
    loseAnswers('endTxn', `${group}-1`, 7)
    expect(await codeOf(writer.commit(1, entries(1)))).toBe('UNKNOWN_OUTCOME')
    expect(await codeOf(writer.append(output, 1, unsealedBatch(['never'])))).toBe('UNKNOWN_OUTCOME')
    await writer.open(1)
    expect(await writer.committed([source], [1])).toMatchObject([{ offset: 1 }])
    expect(await visible(output)).toEqual(['committed after all'])
  })
})
