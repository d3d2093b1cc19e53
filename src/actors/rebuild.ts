/**
 * Rebuilding a partition's state up to its commit, whatever it starts from (SEMANTICS.md section 6): the local journal if
 * it reaches far enough, else the newest shared snapshot, else nothing; then the log up to the committed offsets, then what the committed watermark says was sealed.
 *
 * Owns: how far that has come. Nothing else touches the state meanwhile; nothing is emitted, sealed or counted.
 *
 * It reads the log by itself, outside the group: so the group's reader stands at the committed offsets from the start,
 * partitions that stay are not held up by one that comes, and several are rebuilt at the same time, a chunk in turn.
 *
 * How it fails: a RecoveryError that names the range that the log no longer has, unless exactly that was accepted as lost
 * (loss.ts); nothing has been committed then.
 * Whoever stops the partition ends it between two chunks.
 */
import { admitTick } from '../join/batch.ts'
import { finishReplay } from '../join/replay.ts'
import { type Patience, readWhilePassing } from '../log/patience.ts'
import { LOAD_USERS, recoverJournal } from './journalRecovery.ts'
import { checkLoss, type LostRange, missingRanges, pastLost } from './loss.ts'
import { countLost } from './lossCount.ts'
import type { Memory } from './memory.ts'
import type { PartitionOptions, PartitionRates } from './partitionOptions.ts'
import { prepared } from './preparing.ts'
import { ReplayProgress, type ReplaySource, recordsBetween } from './progress.ts'
import type { Quarantine } from './quarantine.ts'
import { type ReplayParts, replayChunk } from './replayChunk.ts'
import { SharedStart } from './sharedStart.ts'

export interface RebuildOptions extends PartitionOptions {
  readonly parts: Omit<ReplayParts, 'position'>
  readonly memory: Memory
  readonly rates: PartitionRates
  readonly waiting: Patience
  /** Of this ownership of the partition. */
  readonly owner: string
}

/** What a view takes of `stateBytes` at the least: what is beyond it will not lie in memory. */
const VIEW_BYTES = 256
/** A range of offsets may be long, and most of it not needed any more. */
const MOST_RESERVED = 1 << 21

/** What is rebuilt, and from where the log still has it. */
export interface Target {
  readonly watermarkMs: number
  /** Per source: the committed offset, the lowest that it still needs, and the lowest in the log. */
  readonly offsets: readonly number[]
  readonly neededFrom: readonly number[]
  readonly lows: readonly number[]
  /** What was accepted as lost before. */
  readonly lost: readonly LostRange[]
  readonly quarantine: Quarantine
  /** Who made the commit. */
  readonly committedBy?: string
}

/** What the start was made from. */
export interface Recovered {
  readonly from: ReplaySource
  readonly segmentsRead: number
  /** Why the journal was not used, where it was not. */
  readonly refused?: string
  /** Users that a shared snapshot gave. */
  readonly usersLoaded: number
  /** What was needed, gone, and accepted as lost. */
  readonly lost: readonly LostRange[]
}

export class Rebuild {
  readonly progress: ReplayProgress
  private readonly options: RebuildOptions

  constructor(options: RebuildOptions) {
    this.options = options
    this.progress = new ReplayProgress(() => options.clock.monotonicMs())
  }

  /** Undefined where the partition was stopped before the end. */
  async run(target: Target): Promise<Recovered | undefined> {
    const { options } = this
    const { coveredTo } = options.parts
    const { offsets } = target
    this.reserve(target)
    const shared = new SharedStart(options, target, this.progress)
    const found = await shared.find()
    this.progress.begin('journal', recordsBetween(target.neededFrom, offsets))
    const recovered = await recoverJournal({
      ...options,
      ...options.parts,
      ...target,
      sharedNeeds: found[0]?.header.neededFrom,
      onCovered: (covered) => this.progress.left(recordsBetween(covered, offsets)),
      isStopped: () => options.waiting.isStopped(),
    })
    coveredTo.set(recovered.coveredTo)
    const usersLoaded = await shared.use(found, coveredTo)
    const from = options.topics.map((topic, source) => pastLost(topic, coveredTo[source], target.lost))
    const lost = missingRanges(options.topics, from, target.lows)
    checkLoss(lost, options.partition, options.acceptLoss ?? [])
    for (let source = 0; source < offsets.length; source++) {
      coveredTo[source] = Math.max(coveredTo[source], target.lows[source])
    }
    this.progress.begin('log', recordsBetween(coveredTo, offsets))
    for (let source = 0; source < offsets.length; source++) await this.replayLog(source, target)
    if (options.waiting.isStopped()) return undefined
    await this.finish(target.watermarkMs)
    if (options.waiting.isStopped()) return undefined
    if (lost.length > 0) await countLost(options.parts.state, options.journal)
    const { segmentsRead, refused } = recovered
    const origin = usersLoaded !== undefined ? 'snapshot' : segmentsRead > 0 ? 'journal' : 'log'
    return { from: origin, segmentsRead, refused, usersLoaded: usersLoaded ?? 0, lost }
  }

  /** Growing the tables record by record would read all over them: a quarter of what a replayed record costs. */
  private reserve({ neededFrom, offsets }: Target): void {
    const { parts, stateBytes } = this.options
    const most = Math.min(MOST_RESERVED, Math.floor(stateBytes / VIEW_BYTES))
    const views = Math.max(0, offsets[0] - neededFrom[0])
    const engagements = recordsBetween(neededFrom, offsets) - views
    parts.state.reserve(Math.min(most, views), Math.min(most, engagements))
  }

  private async replayLog(source: number, target: Target): Promise<void> {
    const { options } = this
    const { parts, waiting } = options
    const position = Float64Array.from(parts.coveredTo)
    const below = target.offsets[source]
    const keying = { partition: options.partition, partitions: options.partitions }
    const isQuarantined = (from: number, offset: number): boolean => target.quarantine.has(from, offset)
    const rules = { source, below, keying, isQuarantined, decidedMs: target.watermarkMs }
    if (position[source] >= below || waiting.isStopped()) return
    const read = (from: number) => options.readLog(source, from, below)
    for await (const chunk of readWhilePassing(read, position[source], below, waiting)) {
      await prepared(options.readers[source], chunk, waiting)
      if (waiting.isStopped()) return
      options.readers[source].read(chunk, parts.batch)
      options.rates.recordsReplayed += await replayChunk({ ...parts, position }, chunk, rules)
      chunk.release?.()
      const balancing = options.memory.balance()
      if (balancing !== undefined) await balancing
      this.progress.left(recordsBetween(parts.coveredTo, target.offsets))
      // Everybody else has a turn: heartbeats, and the chunks of other partitions.
      await new Promise(setImmediate)
    }
  }

  /** What the committed watermark says. Most are due who lie in the journal: they come and go a few at a time. */
  private async finish(watermarkMs: number): Promise<void> {
    const { journal, parts, owner, waiting } = this.options
    await this.settle(watermarkMs)
    const bringBack = async (keys: readonly Buffer[]): Promise<void> => {
      await parts.store.loadUsers(keys)
      await this.settle(watermarkMs)
    }
    const due: Buffer[] = []
    for await (const { key } of journal.wakes(watermarkMs)) {
      if (due.push(key) < LOAD_USERS) continue
      if (waiting.isStopped()) return
      await bringBack(due.splice(0))
    }
    if (due.length > 0) await bringBack(due)
    await parts.store.replayed(owner)
    admitTick(parts.state)
    parts.state.settle()
  }

  /** Of those in memory. */
  private async settle(watermarkMs: number): Promise<void> {
    const { memory, parts } = this.options
    finishReplay(parts.state, watermarkMs, (user) => memory.emptied(user))
    parts.store.settle()
    await memory.balance()
    await new Promise(setImmediate)
  }
}
