/**
 * Lives of one partition over one log and one journal, both in memory, each from the commit of the one before: what of a
 * start the random histories cannot say, since they only look at what comes out.
 */
import { start as startSystem, stop as stopSystem } from 'nact'
import { Partition } from '../../src/actors/partition.ts'
import type { Position } from '../../src/actors/position.ts'
import { Quarantine } from '../../src/actors/quarantine.ts'
import { openOutlets } from '../../src/cluster/outlets.ts'
import { rulesOf } from '../../src/cluster/rules.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { type Contents, openMemoryPartition } from '../../src/journal/memory.ts'
import type { PartitionJournal, SegmentRecord } from '../../src/journal/port.ts'
import { systemClock } from '../../src/time/clock.ts'
import { EVENT_TYPES, PARTITIONS, TOPICS } from './crashPipeline.ts'
import type { Pipeline } from './histories.ts'
import { MemoryLog } from './memoryLog.ts'

const PARTITION = 0
const CHUNK_RECORDS = 16

export class EventLog {
  readonly log = new MemoryLog()

  add(source: number, user: string, timeMs: number, fields: object): void {
    const key = Buffer.from(user)
    const record = { view_id: null, user_id: user, item_id: 'item', event_time: timeMs, ...fields }
    this.log.add(TOPICS[source], PARTITION, key, EVENT_TYPES[source].toBuffer(record), timeMs)
  }

  end(source: number): number {
    return this.log.end(TOPICS[source], PARTITION)
  }

  /** What holds all clocks at this time: an event of each source. */
  addAll(user: string, timeMs: number): void {
    const own = [{ surface: 'feed' }, { type: 'skip' }, { watched: null }]
    for (const [source, fields] of own.entries()) this.add(source, user, timeMs, fields)
  }
}

/** Users whose events lie in the partition, by name. */
export function usersNamed(name: string, count: number): readonly string[] {
  const users: string[] = []
  for (let k = 0; users.length < count; k++) {
    const key = Buffer.from(`${name}-${k}`)
    if (partitionOf(murmur2(key, 0, key.length), PARTITIONS) === PARTITION) users.push(key.toString())
  }
  return users
}

export interface LifeOptions extends Pipeline {
  readonly events: EventLog
  readonly journal: Contents
  readonly stateBytes: number
  /** Default: as many actors as there are users. */
  readonly actorBytes?: number
}

export class Life {
  readonly partition: Partition
  /** The most that the state took when the journal was asked for something. */
  peakBytes = 0
  private readonly options: LifeOptions
  private readonly system = startSystem()
  private failure: Error | undefined

  static async open(options: LifeOptions, from?: Position): Promise<Life> {
    const { config, readers, events } = options
    const outlets = await openOutlets({
      config,
      log: { topics: async () => [] },
      node: 'node-1',
      viewReader: readers[0],
      writer: { append: async (topic, index, batch) => events.log.append(topic, index, batch), close: async () => {} },
      onDeadLetters() {},
    })
    const life = new Life(options, outlets)
    const sources = new Map(TOPICS.map((topic) => [topic, { offset: 0, highestMs: -Infinity, neededFrom: 0 }]))
    const first = { watermarkMs: -Infinity, sources, deadLettersFrom: 0, ledger: [] }
    life.partition.begin(from ?? first, new Map(TOPICS.map((topic) => [topic, 0])))
    await life.partition.restore(new Quarantine(TOPICS.length, 0))
    life.check()
    return life
  }

  private constructor(options: LifeOptions, outlets: Awaited<ReturnType<typeof openOutlets>>) {
    this.options = options
    const { config, readers, journal, events } = options
    this.partition = new Partition({
      partition: PARTITION,
      partitions: PARTITIONS,
      rules: rulesOf(config),
      topics: TOPICS,
      readers,
      outlets,
      system: this.system,
      clock: systemClock,
      inboxBytes: 1e9,
      alignWithinMs: Number.POSITIVE_INFINITY,
      outputBytes: 1e9,
      actorBytes: options.actorBytes ?? 1e9,
      pause() {},
      resume() {},
      onFailed: (error) => this.fail(error),
      onTrouble: (error) => this.fail(error),
      journal: this.watched(openMemoryPartition(journal)),
      fingerprint: config.pipeline.fingerprint,
      stateBytes: options.stateBytes,
      commitSoon() {},
      readLog: (source, from, to) => events.log.readRange(TOPICS[source], PARTITION, from, to),
    })
  }

  /** Joins what the log has of a source, up to an offset. */
  async join(source: number, to = Number.POSITIVE_INFINITY): Promise<void> {
    const { partition } = this
    const { log } = this.options.events
    const end = Math.min(to, log.end(TOPICS[source], PARTITION))
    while (partition.fetchFrom(source) < end) {
      const from = partition.fetchFrom(source)
      partition.offer(source, log.chunk(TOPICS[source], PARTITION, from, Math.min(end, from + CHUNK_RECORDS)))
      await partition.drained()
      this.check()
    }
  }

  async commit(): Promise<Position> {
    const capture = await this.partition.capture()
    await this.partition.flushed()
    await this.partition.acknowledged(capture)
    this.check()
    return capture.position
  }

  /** As after kill -9: nothing more is written. */
  async end(): Promise<void> {
    await this.partition.stop()
    stopSystem(this.system)
  }

  private fail(error: Error): void {
    this.failure ??= error
  }

  private check(): void {
    if (this.failure !== undefined) throw this.failure
  }

  private look(): void {
    this.peakBytes = Math.max(this.peakBytes, this.partition.state.arena.usedBytes)
  }

  private watched(journal: PartitionJournal): PartitionJournal {
    const look = (): void => this.look()
    return new Proxy(journal, {
      get: (target, name) => {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...given: unknown[]) => {
          look()
          const answer = value.apply(target, given)
          return name === 'segments' ? lookedAt(answer, look) : answer
        }
      },
    })
  }
}

async function* lookedAt(segments: AsyncIterable<SegmentRecord>, look: () => void): AsyncIterable<SegmentRecord> {
  for await (const segment of segments) {
    look()
    yield segment
    look()
  }
}
