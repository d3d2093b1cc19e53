/**
 * Appends of whole record batches: no object per record between the builder and the socket.
 *
 * Owns: a queue per topic partition, and the produce requests in flight.
 *
 * Invariants:
 * 1. A partition has at most one batch in flight, so its order is that of the calls, also where one is tried again.
 *    Kafka takes one batch a partition and request; the others wait.
 * 2. What is queued for partitions of one leader goes out in one request, up to REQUEST_BYTES; at most IN_FLIGHT
 *    requests at a time.
 * 3. What is tried again keeps nobody else waiting: no request's place, and none of those that shared its request.
 * 4. At least once: acks from all in-sync replicas, no producer id. A batch whose answer was lost is sent again.
 *
 * Trap: `producer.send` copies its list once a message; nothing is sent through it, and no list of records exists.
 *
 * How it fails: what may pass is tried again, with a warning, until the writer is closed; what may not rejects the
 * append. Of a request of several batches those that were taken are done; where others are refused for good they are
 * repeated one by one, so that only the guilty one fails.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LogError, type Writer } from '../port.ts'
import type { EncodedBatch } from '../recordBatch/builder.ts'
import type { Logger } from './client.ts'
import { isPassing, isUnknownTopic, rootCause, toLogError } from './errors.ts'
import type { PartlyRefused, ProduceAnswer, ProduceTopic } from './internals.ts'
import type { Leaders } from './leaders.ts'
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, UNKNOWN_TOPIC_TRIES } from './persist.ts'

const IN_FLIGHT = 5
const REQUEST_BYTES = 8 * 1024 * 1024
const PRODUCE_TIMEOUT_MS = 30_000
const ALL_REPLICAS = -1
const CLOSE_TIMEOUT_MS = 2_000

interface Append {
  readonly topic: string
  readonly partition: number
  readonly batch: EncodedBatch
  readonly resolve: (offset: number) => void
  readonly reject: (error: Error) => void
  /** Before it is tried again the next time. */
  waitMs: number
  /** Times that its topic was not known. */
  unknown: number
  /** A request of which it was a part was refused for good: whether for its sake is seen in one of its own. */
  isAlone: boolean
}

export class KafkaWriter implements Writer {
  private readonly leaders: Leaders
  private readonly logger: Logger | undefined
  private readonly queues = new Map<string, Append[]>()
  /** Partitions with a batch in flight. */
  private readonly busy = new Set<string>()
  private requests = 0
  private isFlushing = false
  private isClosing = false
  private isOver = false
  private drained: () => void = () => {}

  constructor(leaders: Leaders, logger: Logger | undefined) {
    this.leaders = leaders
    this.logger = logger
  }

  connect(): Promise<void> {
    return this.leaders.connect()
  }

  append(topic: string, partition: number, batch: EncodedBatch): Promise<number> {
    if (this.isClosing)
      return Promise.reject(new LogError('CLOSED', `append to ${topic}/${partition} after the writer was closed`))
    return new Promise((resolve, reject) => {
      const key = keyOf(topic, partition)
      const queue = this.queues.get(key)
      const append = { topic, partition, batch, resolve, reject, waitMs: FIRST_WAIT_MS, unknown: 0, isAlone: false }
      if (queue === undefined) this.queues.set(key, [append])
      else queue.push(append)
      this.schedule()
    })
  }

  /** Sends what is queued, for a while; what is left then is rejected. */
  async close(): Promise<void> {
    if (this.isClosing) return
    this.isClosing = true
    const limit = new AbortController()
    const drained = new Promise<void>((resolve) => {
      this.drained = resolve
    })
    if (this.queues.size > 0) {
      await Promise.race([drained, sleep(CLOSE_TIMEOUT_MS, undefined, { signal: limit.signal }).catch(() => {})])
    }
    limit.abort()
    this.isOver = true
    await this.leaders.close()
    for (const append of [...this.queues.values()].flat()) {
      append.reject(
        new LogError(
          'CLOSED',
          `${append.topic}/${append.partition}: the writer was closed before the brokers answered`,
        ),
      )
    }
    this.queues.clear()
  }

  /** One flush a turn of the event loop: it gathers all appends of the turn. */
  private schedule(): void {
    if (this.isFlushing) return
    this.isFlushing = true
    setImmediate(() => {
      this.isFlushing = false
      this.flush()
    })
  }

  private flush(): void {
    while (this.requests < IN_FLIGHT && !this.isOver) {
      const appends = this.nextRequest()
      if (appends.length === 0) return
      this.requests++
      void this.deliver(appends).finally(() => {
        this.requests--
        this.schedule()
      })
    }
  }

  /** The first batch of each partition that has none in flight, for one leader. */
  private nextRequest(): Append[] {
    const appends: Append[] = []
    let sizeBytes = 0
    let leader: number | undefined
    for (const [key, queue] of this.queues) {
      if (this.busy.has(key)) continue
      const [append] = queue
      const own = this.leaders.leaderOf(append.topic, append.partition)
      const isOther = append.isAlone || own !== leader || sizeBytes + append.batch.bytes.length > REQUEST_BYTES
      if (appends.length > 0 && isOther) continue
      leader = own
      appends.push(append)
      this.busy.add(key)
      sizeBytes += append.batch.bytes.length
      // A leader that is not known yet is looked for by a request of its own.
      if (own === undefined || append.isAlone || sizeBytes >= REQUEST_BYTES) break
    }
    return appends
  }

  /** One try: each is settled and makes room for the next of its partition, or is tried again. */
  private async deliver(appends: readonly Append[]): Promise<void> {
    try {
      const offsets = await this.produce(appends)
      appends.forEach((append, i) => void this.taken(append, offsets[i]))
    } catch (error) {
      const left = this.takenOf(appends, (error as PartlyRefused).answer)
      const again = left.filter((append) => this.mayPass(append, error, left.length))
      if (again.length === 0) return
      this.leaders.forget(error)
      this.logger?.warn(
        { batches: again.length, waitMs: again[0].waitMs, error: rootCause(error).message },
        'appending failed; it is tried again',
      )
      for (const append of again) void this.tryAgain(append)
    }
  }

  /** Those that were taken though others of the request were refused are done; gives the others. */
  private takenOf(appends: readonly Append[], answer: ProduceAnswer | undefined): readonly Append[] {
    if (answer === undefined) return appends
    const offsets = takenIn(answer)
    return appends.filter((append) => {
      const offset = offsets.get(keyOf(append.topic, append.partition))
      if (offset !== undefined) this.taken(append, offset)
      return offset === undefined
    })
  }

  /** False where it is settled, or goes out by itself at once. */
  private mayPass(append: Append, error: unknown, of: number): boolean {
    if (isUnknownTopic(error)) append.unknown++
    if (!this.isOver && isPassing(error) && append.unknown <= UNKNOWN_TOPIC_TRIES) return true
    if (of === 1 || this.isOver) {
      const { topic, partition, batch } = append
      const doing = `appending ${batch.count} records (${batch.bytes.length} bytes) to ${topic}/${partition}`
      append.reject(toLogError(error, doing))
      this.done(append)
    } else {
      append.isAlone = true
      this.busy.delete(keyOf(append.topic, append.partition))
    }
    return false
  }

  private async tryAgain(append: Append): Promise<void> {
    const { waitMs } = append
    append.waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)
    await sleep(waitMs)
    if (!this.isOver) await this.leaders.refresh()
    this.busy.delete(keyOf(append.topic, append.partition))
    this.schedule()
  }

  private taken(append: Append, offset: number): void {
    append.resolve(offset)
    this.done(append)
  }

  private done({ topic, partition }: Append): void {
    const key = keyOf(topic, partition)
    this.busy.delete(key)
    const queue = this.queues.get(key)
    queue?.shift()
    // At the end of the map again, so that no partition is always last.
    this.queues.delete(key)
    if (queue !== undefined && queue.length > 0) this.queues.set(key, queue)
    if (this.queues.size === 0) this.drained()
    this.schedule()
  }

  /** The offsets, in the order of the appends, which all have one leader. */
  private async produce(appends: readonly Append[]): Promise<number[]> {
    if (this.isOver) throw new LogError('CLOSED', 'the writer is closed')
    const broker = await this.leaders.brokerOf(appends)
    const topicData = topicsOf(appends)
    const answer = await broker.produce({ acks: ALL_REPLICAS, timeout: PRODUCE_TIMEOUT_MS, topicData })
    const offsets = takenIn(answer)
    return appends.map(({ topic, partition }) => offsets.get(keyOf(topic, partition))!)
  }
}

/** The offsets of what was taken, by topic and partition. */
function takenIn({ topics }: ProduceAnswer): ReadonlyMap<string, number> {
  return new Map(
    topics.flatMap(({ topicName, partitions }) =>
      partitions.flatMap(({ partition, errorCode, baseOffset }) =>
        errorCode === 0 ? [[keyOf(topicName, partition), Number(baseOffset)] as const] : [],
      ),
    ),
  )
}

function topicsOf(appends: readonly Append[]): ProduceTopic[] {
  const topics = new Map<string, { partition: number; messages: { prebuilt: Buffer; count: number }[] }[]>()
  for (const { topic, partition, batch } of appends) {
    const partitions = topics.get(topic) ?? []
    partitions.push({ partition, messages: [{ prebuilt: batch.bytes, count: batch.count }] })
    topics.set(topic, partitions)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`
