/**
 * Many lives of one partition over one log, in one process and in no time: the real partition, committer, sinks and
 * recovery, over a log and a journal in memory. A life ends at any write: from there on nothing that the partition does
 * leaves a trace, as after kill -9. Between lives the journal is kept, forgotten, put back to an older copy or passed
 * over, and commits go back to earlier ones.
 *
 * Owns: the log's records, the commits, the journal and its copies.
 * Invariant: the same seed gives the same traffic and the same choices.
 */
import { start as startSystem, stop as stopSystem } from 'nact'
import { Partition } from '../../src/actors/partition.ts'
import { decodeMetadata } from '../../src/actors/position.ts'
import { readQuarantine, startOf } from '../../src/actors/recovery.ts'
import type { SharedSnapshots } from '../../src/actors/snapshotSchedule.ts'
import { Committer } from '../../src/cluster/committer.ts'
import { openOutlets } from '../../src/cluster/outlets.ts'
import { rulesOf } from '../../src/cluster/rules.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { type Contents, copyContents, newContents, openMemoryPartition } from '../../src/journal/memory.ts'
import { noPartitionJournal } from '../../src/journal/none.ts'
import type { PartitionJournal } from '../../src/journal/port.ts'
import { type CommitEntry, type Committed, type Log, LogError, type PartitionEnds } from '../../src/log/port.ts'
import type { SnapshotStore } from '../../src/snapshots/port.ts'
import { systemClock } from '../../src/time/clock.ts'
import { Durations } from '../../src/time/durations.ts'
import { DEAD_LETTERS, PARTITIONS, TOPICS, writeConfig } from './crashPipeline.ts'
import type { LogRecord } from './crashWorld.ts'
import { MemoryLog } from './memoryLog.ts'
import { MemorySnapshots } from './memorySnapshots.ts'
import { Random } from './random.ts'
import { closingEvents, Traffic } from './traffic.ts'

const PARTITION = 0
const STEPS = 60
const CLOSING_AFTER_MS = 60_000
const COPIES = 6
const COMMITS_KEPT = 40
const COMMIT_PATIENCE_MS = 60_000
/** So small that most users are moved out, and that the partition starves between commits. */
const SMALL_STATES = [3_000, 10_000, 30_000]
/** Writes of one life, at most. */
const MOST_WRITES = 200
const PATIENCE = { isStopped: () => true, onTrouble() {} }

export type HistoryHarm = 'none' | 'no journal' | 'deleted' | 'older' | 'rolled back'
export const HISTORY_HARMS: readonly HistoryHarm[] = ['none', 'none', 'no journal', 'deleted', 'older', 'rolled back']

export interface Pipeline {
  readonly config: Config
  readonly readers: readonly SourceReader[]
}

export async function openPipeline(folder: string): Promise<Pipeline> {
  await writeConfig(folder, { dataFolder: `${folder}/data`, isJournalOn: true })
  const config = loadConfig(folder, {})
  const { sources, limits } = config.pipeline
  return { config, readers: await Promise.all(sources.map((source) => openSourceReader(source, limits))) }
}

/** Lets so many writes through. */
class Fuse {
  private left: number

  constructor(writes: number) {
    this.left = writes
  }

  get isBurnt(): boolean {
    return this.left <= 0
  }

  burn(): boolean {
    return --this.left >= 0
  }
}

export interface HistoryOptions extends Pipeline {
  readonly seed: number
  readonly lives: number
  readonly harms: readonly HistoryHarm[]
  /** The log keeps nothing that the last commit does not need. Not together with commits that are taken back. */
  readonly isRetentionShort?: boolean
  /** Whether each life shares snapshots, at every commit, and the next may start from them, or find them damaged. */
  readonly isShared?: boolean
}

export class History {
  /** What was done, for the message of a test that fails. */
  readonly told: string[] = []
  storedUsers = 0
  loadedUsers = 0
  /** Starts from a shared snapshot, users that they gave, snapshots passed over, and why some were not published. */
  readonly shared = { starts: 0, users: 0, passedOver: 0, troubles: new Set<string>() }
  private readonly snapshots = new MemorySnapshots()
  readonly log = new MemoryLog()
  private readonly options: HistoryOptions
  private readonly random: Random
  private readonly commits: (readonly Committed[])[] = []
  private journal = newContents()
  private readonly copies: Contents[] = []

  constructor(options: HistoryOptions) {
    this.options = options
    this.random = new Random(options.seed)
  }

  async run(): Promise<void> {
    const { seed, lives, harms } = this.options
    this.fill(new Traffic(seed + 1))
    for (let number = 0; number < lives; number++) {
      await this.life(number === 0 ? 'none' : this.random.pick(harms), (number + 1) / lives)
    }
    await this.life('none', Number.POSITIVE_INFINITY)
  }

  async committed(): Promise<readonly Committed[]> {
    return this.commits.at(-1) ?? TOPICS.map((topic) => ({ topic, partition: PARTITION, offset: -1, metadata: '' }))
  }

  async readAll(topic: string): Promise<readonly LogRecord[]> {
    return this.log.records(topic, PARTITION)
  }

  /** All records of the sources, in the order of their coming. */
  get records(): readonly { readonly source: number; readonly record: LogRecord }[] {
    const all = TOPICS.flatMap((topic, source) =>
      this.log.records(topic, PARTITION).map((record) => ({ source, record })),
    )
    return all.sort(
      (a, b) => a.record.stampMs - b.record.stampMs || a.source - b.source || a.record.offset - b.record.offset,
    )
  }

  private fill(traffic: Traffic): void {
    const events = Array.from({ length: STEPS }, () => traffic.step()).flat()
    events.push(...traffic.rest(), ...closingEvents([closingUser()], traffic.nowMs + CLOSING_AFTER_MS))
    for (const { source, user, arrivalMs, value } of events) {
      const key = Buffer.from(user)
      if (partitionOfKey(key) === PARTITION) this.log.add(TOPICS[source], PARTITION, key, value, arrivalMs)
    }
  }

  /** One life. `reach`: which share of the log is there; beyond 1 it is the last, and goes to the end. */
  private async life(harm: HistoryHarm, reach: number): Promise<void> {
    const { random } = this
    this.harm(harm)
    const isLast = reach > 1
    const fuse = new Fuse(isLast ? Number.POSITIVE_INFINITY : 1 + random.below(MOST_WRITES))
    const stateBytes = isLast || random.chance(0.3) ? 1e9 : random.pick(SMALL_STATES)
    const journal = harm === 'no journal' ? noPartitionJournal() : this.fused(fuse)
    const life = await this.start(journal, harm === 'no journal' ? Number.POSITIVE_INFINITY : stateBytes, fuse)
    const { partition } = life
    const { refused = 'used', from, usersLoaded } = partition.recovered
    if (from === 'snapshot') this.shared.starts++
    this.shared.users += usersLoaded
    this.told.push(`${harm}; state ${stateBytes}, journal ${refused}, began with the ${from}, from ${this.offsets()}`)
    const ends = TOPICS.map((topic) => Math.ceil(this.log.end(topic, PARTITION) * Math.min(1, reach)))
    if (isLast) await this.toTheEnd(life, ends)
    else while (!fuse.isBurnt && (await this.step(life, ends)));
    if (!fuse.isBurnt && !isLast && random.chance(0.5)) await this.toTheEnd(life, ends)
    this.told.push(`... to ${this.offsets()}`)
    this.storedUsers += partition.store.counts.usersStored
    this.loadedUsers += partition.store.counts.usersLoaded
    await life.end()
    if (random.chance(0.5)) this.copy()
  }

  private offsets(): string {
    return (this.commits.at(-1) ?? []).map(({ offset }) => offset).join(' ')
  }

  private copy(): void {
    this.copies.push(copyContents(this.journal))
    if (this.copies.length > COPIES) this.copies.shift()
  }

  private harm(harm: HistoryHarm): void {
    const { random } = this
    if (this.options.isShared && random.chance(0.2)) this.snapshots.damage(random)
    if (harm === 'deleted') this.journal = newContents()
    if (harm === 'older' && this.copies.length > 0) this.journal = copyContents(random.pick(this.copies))
    if (harm === 'rolled back' && this.commits.length > 0) {
      this.commits.push(random.pick(this.commits.slice(-COMMITS_KEPT)))
    }
  }

  /** The journal of a life; its writes burn the fuse, and now and then a copy is taken between two of them. */
  private fused(fuse: Fuse): PartitionJournal {
    const reads = new Set<PropertyKey>(['segments', 'segment', 'wakes', 'mark', 'getUsers', 'close'])
    return new Proxy(openMemoryPartition(this.journal), {
      get: (target, name) => {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (reads.has(name)) return value.bind(target)
        return async (...given: unknown[]) => {
          if (!fuse.burn()) return
          if (this.random.chance(0.02)) this.copy()
          await value.apply(target, given)
        }
      },
    })
  }

  private async start(journal: PartitionJournal, stateBytes: number, fuse: Fuse): Promise<OneLife> {
    const { config, readers } = this.options
    const { log } = this
    const system = startSystem()
    const failures: Error[] = []
    const onFailed = (error: Error): void => {
      if (!fuse.isBurnt) failures.push(error)
    }
    const outlets = await openOutlets({
      config,
      log: { topics: async () => [] },
      node: 'node-1',
      viewReader: readers[0],
      writer: {
        append: async (topic, index, batch) => {
          await pause(this.random.below(3))
          return fuse.burn() ? log.append(topic, index, batch) : 0
        },
        close: async () => {},
      },
      onDeadLetters: (_, base, count) => partition.deadLettersWritten(base, count),
    })
    const partition: Partition = new Partition({
      partition: PARTITION,
      partitions: PARTITIONS,
      rules: rulesOf(config),
      topics: TOPICS,
      readers,
      outlets,
      system,
      clock: systemClock,
      inboxBytes: 4_000,
      alignWithinMs: Number.POSITIVE_INFINITY,
      outputBytes: 1e9,
      actorBytes: this.random.pick([5_000, 1e9]),
      pause: () => {},
      resume: () => {},
      onFailed,
      onTrouble: onFailed,
      journal,
      snapshots: this.options.isShared ? this.sharing(fuse) : undefined,
      onNote: (fields, message) => this.noted(fields, message, fuse),
      fingerprint: config.pipeline.fingerprint,
      stateBytes,
      commitSoon: () => committer.commitSoon(),
      readLog: (source, from, to) => log.readRange(TOPICS[source], PARTITION, from, to),
    })
    const committer = new Committer({
      everyMs: 1e9,
      topics: TOPICS,
      times: { commitTimes: new Durations(), flushTimes: new Durations() },
      partitions: () => [partition],
      commit: async (entries) => this.commit(entries, fuse),
      onFailed,
      onTrouble: () => {},
    })
    const start = startOf({
      partition: PARTITION,
      topics: TOPICS,
      committed: await this.committed(),
      ends: TOPICS.map((topic) => this.endsOf(topic)),
      deadLettersEnd: log.end(DEAD_LETTERS, PARTITION),
    })
    const quarantine = await readQuarantine(
      log as unknown as Log,
      TOPICS,
      this.endsOf(DEAD_LETTERS),
      start.position,
      PATIENCE,
    )
    partition.begin(start.position, start.lows)
    await partition.restore(quarantine)
    const end = async (): Promise<void> => {
      partition.quiesce()
      await committer.commitNow(COMMIT_PATIENCE_MS)
      await partition.stop()
      stopSystem(system)
      if (failures.length > 0) throw failures[0]
    }
    return { partition, committer, fuse, failures, end }
  }

  /** A life that is over publishes nothing. */
  private sharing(fuse: Fuse): SharedSnapshots {
    const store: SnapshotStore = {
      find: () => this.snapshots.find(),
      close: async () => {},
      begin: async () => {
        const sink = await this.snapshots.begin()
        return {
          write: async (frame) => {
            await pause(this.random.below(3))
            await sink.write(frame)
          },
          publish: async (last) => {
            await pause(this.random.below(3))
            if (fuse.burn()) await sink.publish(last)
          },
          abandon: () => sink.abandon(),
        }
      },
    }
    return { store, everyMs: 0, limitBytes: 1 << 26, taking: undefined, waiting: new Map() }
  }

  private noted(fields: object, message: string, fuse: Fuse): void {
    if (message.includes('passed over')) this.shared.passedOver++
    if (message.includes('was not published') && !fuse.isBurnt) this.shared.troubles.add(JSON.stringify(fields))
  }

  private endsOf(topic: string): PartitionEnds {
    return { topic, partition: PARTITION, low: this.log.low(topic, PARTITION), high: this.log.end(topic, PARTITION) }
  }

  private async commit(entries: readonly CommitEntry[], fuse: Fuse): Promise<void> {
    await pause(this.random.below(3))
    if (this.random.chance(0.1)) throw new LogError('NOT_OWNER', 'a rebalance is under way')
    if (fuse.burn()) this.commits.push(entries)
    if (this.options.isRetentionShort) this.expire(this.commits.at(-1) ?? [])
    await pause(this.random.below(3))
  }

  private expire(entries: readonly CommitEntry[]): void {
    for (const { topic, offset, metadata } of entries) {
      const { sources } = decodeMetadata(metadata, new Map([[topic, offset]]))
      this.log.expire(topic, PARTITION, sources.get(topic)!.neededFrom)
    }
  }

  /** Something happens; false where there is nothing left to read. */
  private async step({ partition, committer }: OneLife, ends: readonly number[]): Promise<boolean> {
    const { random } = this
    if (random.chance(0.15)) {
      const committing = committer.commitNow(COMMIT_PATIENCE_MS)
      if (random.chance(0.5)) await committing
    }
    const source = random.below(TOPICS.length)
    const from = partition.fetchFrom(source)
    if (from < ends[source]) {
      const to = Math.min(ends[source], from + 1 + random.below(12))
      partition.offer(source, this.log.chunk(TOPICS[source], PARTITION, from, to))
    }
    if (random.chance(0.5)) await partition.drained()
    else await pause(random.below(4))
    if (random.chance(0.1)) await partition.tick().catch(() => {})
    return TOPICS.some((_, k) => partition.fetchFrom(k) < ends[k])
  }

  /** Reads the rest and commits; throws where the partition does not come to the end. */
  private async toTheEnd(life: OneLife, ends: readonly number[]): Promise<void> {
    const { partition, committer, failures } = life
    for (let tries = 0; TOPICS.some((_, k) => partition.position[k] < ends[k]); tries++) {
      if (failures.length > 0) throw failures[0]
      if (life.fuse.isBurnt) return
      if (tries > 2_000)
        throw new Error(`stands still at ${partition.position} of ${ends}, pump and commits having run ${tries} times`)
      await this.step(life, ends)
      if (tries % 10 === 9) await committer.commitNow(COMMIT_PATIENCE_MS)
      await partition.drained()
    }
    while (!life.fuse.isBurnt && !(await committer.commitNow(COMMIT_PATIENCE_MS)));
  }
}

interface OneLife {
  readonly partition: Partition
  readonly committer: Committer
  readonly fuse: Fuse
  readonly failures: readonly Error[]
  end(): Promise<void>
}

async function pause(turns: number): Promise<void> {
  for (let k = 0; k < turns; k++) await new Promise(setImmediate)
}

function partitionOfKey(key: Buffer): number {
  return partitionOf(murmur2(key, 0, key.length), PARTITIONS)
}

function closingUser(): string {
  for (let k = 0; ; k++) if (partitionOfKey(Buffer.from(`closing-${k}`)) === PARTITION) return `closing-${k}`
}
