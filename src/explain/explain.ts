/**
 * Explains a sample from the log: finds its view, joins its part of the log again, and tells what became of everything
 * that could concern it. With or without a node that runs: what it needs is the log, and how far it was joined.
 *
 * Where a sample lies: an id made of user, item and time says it; `user` and `atMs` say it; else the topic of views is
 * searched backwards, newest first, for the view's own id.
 *
 * How it fails: rejects with what the log says. What is not in the log any more is told in the answer (`notes`), never
 * made up.
 */
import { joinTopics } from '../cluster/topics.ts'
import type { Place, SourceReader } from '../codec/port.ts'
import type { Pipeline } from '../config/model.ts'
import type { ExplainedEmission, ExplainedSearch, Explanation } from '../inspect/explanation.ts'
import { murmur2, partitionOf } from '../join/hash.ts'
import type { Rules } from '../join/rules.ts'
import type { ToldClocks } from '../join/toldClocks.ts'
import type { Log } from '../log/port.ts'
import { type DeadLetterNotes, readDeadLetters } from './deadLetters.ts'
import { decidedLive } from './decided.ts'
import { findSample, type SampleTopic } from './emission.ts'
import { type FoundView, findView, readIdentity } from './findView.ts'
import { readGivenUp } from './givenUp.ts'
import { type AsOf, joinRange, type RangeOptions, type RangeResult } from './range.ts'
import { type Ahead, aheadNote, emitted, summaryOf } from './summary.ts'
import { concerning, type Fate, placeOf, type TellOptions, tellFate, tellSeal } from './tell.ts'
import type { FoldedLabels, SeenView } from './witness.ts'

export interface ExplainerOptions {
  readonly log: Log
  readonly pipeline: Pipeline
  readonly rules: Rules
  /** Of what is joined: the sources, in their order, or the consolidated topic. */
  readonly readers: readonly SourceReader[]
  /** Of a consolidated topic. */
  readonly makeClocks?: () => ToldClocks
  /** Where samples go; undefined: to files alone. */
  readonly samples: SampleTopic | undefined
  /** Up to where the partition was joined; null: nothing was, or it is not known. */
  readonly asOf: (partition: number) => Promise<AsOf | null>
  readonly nowMs: () => number
}

export interface ExplainRequest {
  readonly sampleId: string
  readonly user?: string
  /** The view's event time, where the id does not say it. */
  readonly atMs?: number
  /** Records of the search, at most. */
  readonly mostRecords?: number
  readonly onProgress?: (recordsRead: number, recordsTotal: number) => void
}

type By = ExplainedSearch['by']

interface Clue {
  readonly user: Buffer
  readonly timeMs: number
  readonly by: By
  readonly offset?: number
}

export class Explainer {
  private readonly options: ExplainerOptions
  private readonly topics: readonly string[]

  constructor(options: ExplainerOptions) {
    this.options = options
    this.topics = joinTopics(options.pipeline)
  }

  async explain(request: ExplainRequest): Promise<Explanation> {
    return new Explaining(this.options, this.topics, request).run()
  }
}

/** `ahead`: the view lies beyond what was joined. */
type Joined = RangeResult & { readonly range: RangeOptions; readonly ahead?: Ahead }

/** One explanation under way. */
class Explaining {
  private readonly options: ExplainerOptions
  private readonly topics: readonly string[]
  private readonly request: ExplainRequest
  private readonly startedMs: number
  private readonly notes: string[] = []
  private recordsRead = 0
  private isCut = false

  constructor(options: ExplainerOptions, topics: readonly string[], request: ExplainRequest) {
    this.options = options
    this.topics = topics
    this.request = request
    this.startedMs = options.nowMs()
  }

  async run(): Promise<Explanation> {
    const partitions = await this.partitionCount()
    const clue = this.clue()
    if (clue !== undefined) {
      const told = await this.attempt(clue, partitions)
      if (told !== undefined) return told
      // An id may look like user, item and time, and be a view's own all the same.
      if (clue.by === 'userAndTime') return this.notFound(clue.by, 'the user has no such view near that time')
    }
    const found = await this.search(partitions)
    if (found === undefined) {
      const where = this.isCut ? `is among the newest ${this.recordsRead}` : 'is in the log'
      return this.notFound(clue?.by ?? 'scan', `no view of this id ${where}`)
    }
    const told = await this.attempt({ ...found, by: 'scan' }, partitions)
    return told ?? this.notFound('scan', 'the view lies in the log, and was refused by the join')
  }

  private clue(): Clue | undefined {
    const { sampleId, user, atMs } = this.request
    const said = readIdentity(sampleId)
    if (user !== undefined && atMs !== undefined) return { user: Buffer.from(user), timeMs: atMs, by: 'userAndTime' }
    return said === undefined ? undefined : { user: Buffer.from(said.user), timeMs: said.timeMs, by: 'id' }
  }

  private async search(partitions: number): Promise<FoundView | undefined> {
    const { log, readers } = this.options
    const { sampleId, user, mostRecords = Number.POSITIVE_INFINITY, onProgress } = this.request
    const partition = user === undefined ? undefined : partitionOfUser(Buffer.from(user), partitions)
    const result = await findView({
      log,
      topic: this.topics[0],
      reader: readers[0],
      sampleId,
      partition,
      mostRecords,
      onProgress,
    })
    this.recordsRead += result.recordsRead
    if (result.found === undefined && !result.isWhole) {
      this.isCut = true
      this.notes.push(
        `only the newest ${result.recordsRead} views were looked through: say the user (and the time) of the view, or ask ` +
          'by `postview explain`, which looks through all',
      )
    }
    return result.found
  }

  private async attempt(clue: Clue, partitions: number): Promise<Explanation | undefined> {
    const { user, by } = clue
    const partition = partitionOfUser(user, partitions)
    const { log, pipeline } = this.options
    const asOf = await this.options.asOf(partition)
    const { deadLetters } = pipeline.sideOutputs
    const dead = await readDeadLetters(log, deadLetters, partition, this.topics, asOf?.believing)
    const joined = asOf === null ? undefined : await this.joined(clue, partition, partitions, asOf, dead)
    if (joined?.view !== undefined) return this.told(joined, clue, partition, dead)
    const isTakenOut = this.isTakenOut(clue, dead)
    // What lies beyond what was joined is shown as it will be.
    const ahead = await this.joined(clue, partition, partitions, NOTHING_JOINED(this.topics.length), dead)
    if (ahead.view === undefined)
      return isTakenOut === undefined ? undefined : this.takenOut(clue, partition, isTakenOut)
    return this.told({ ...ahead, ahead: asOf === null ? 'ofNothing' : 'ofTheJoin' }, { ...clue, by }, partition, dead)
  }

  private isTakenOut(clue: Clue, dead: DeadLetterNotes): string | undefined {
    return clue.offset === undefined ? undefined : dead.notes.get(`0:${clue.offset}`)?.reason
  }

  private async joined(
    clue: Clue,
    partition: number,
    partitions: number,
    asOf: AsOf,
    dead: DeadLetterNotes,
  ): Promise<Joined> {
    const { log, rules, readers, makeClocks, pipeline } = this.options
    const { sampleId } = this.request
    const range: RangeOptions = {
      log,
      rules,
      alignWithinMs: pipeline.time.alignWithinMs,
      topics: this.topics,
      readers,
      makeClocks,
      partition,
      partitions,
      user: clue.user,
      timeMs: clue.timeMs,
      sampleId,
      viewOffset: clue.offset,
      asOf,
      isQuarantined: (source, offset) => dead.notes.get(`${source}:${offset}`)?.decided === true,
    }
    const result = await joinRange(range)
    this.recordsRead += result.recordsRead
    return { ...result, range }
  }

  private async told(result: Joined, clue: Clue, partition: number, dead: DeadLetterNotes): Promise<Explanation> {
    const view = result.view!
    const { rules } = this.options
    const { witness } = result.rerun
    const tell: TellOptions = {
      rules,
      topics: this.topics,
      partition,
      cutMs: result.isFromLow ? null : result.fromMs,
    }
    const { shown, leftOut } = concerning(view, witness.engagements)
    const values = view.seal?.values ?? witness.labelsNow(view)
    // What lies beyond what was joined is not sealed, whatever the log would make of it.
    const isSealed = view.seal !== undefined && result.ahead === undefined
    const emission = await this.emission(view, values, partition)
    const noSample = dead.notes.get(`0:${view.offset}`)
    const status = noSample !== undefined ? 'quarantined' : isSealed || emission !== null ? 'sealed' : 'pending'
    this.addNotes(result, view, emission, noSample?.reason)
    const byLog = tellFate(view, values, shown, tell)
    const live =
      emission === null || emission.agrees ? byLog : await this.asDecided(byLog, view.late, emission, result, tell)
    const explanation = {
      sampleId: this.request.sampleId,
      status,
      view: {
        ...placeOf(view, tell),
        source: await this.sourceOf(view, partition),
        userId: clue.user.toString(),
        itemId: view.itemId,
        timeMs: view.timeMs,
        stampMs: view.stampMs,
        lateView: emission?.lateView ?? view.late,
        deadlineMs: view.timeMs + rules.viewWaitMs,
        copies: view.copies.map(({ offset, conflict }) => ({ ...placeOf({ ...view, offset }, tell), conflict })),
        record: await this.recordOf(view),
      },
      ...live,
      engagementsLeftOut: leftOut,
      seal: isSealed ? tellSeal(view, tell) : null,
      emission,
      search: this.searched(clue.by, partition),
      notes: this.notes,
    } as const
    return { ...explanation, summary: summaryOf(explanation) }
  }

  private addNotes(
    { rerun, isTrimmed, ahead }: Joined,
    view: SeenView,
    emission: ExplainedEmission | null,
    deadReason: string | undefined,
  ): void {
    const { notes } = this
    if (ahead !== undefined && deadReason === undefined) notes.push(aheadNote(ahead, emission !== null))
    if (deadReason !== undefined) notes.push(`the view is in the dead letters: ${deadReason}`)
    if (rerun.witness.leftOut > 0) notes.push(`the user has ${rerun.witness.leftOut} more events there, not looked at`)
    if (isTrimmed) notes.push('the log was read from its beginning: what retention has deleted before that is not seen')
    if (
      emission === null &&
      ahead === undefined &&
      view.seal !== undefined &&
      this.options.samples !== undefined &&
      deadReason === undefined
    ) {
      notes.push('the emitted sample was not found: not produced yet, or no longer in its topic')
    }
    if (this.options.samples === undefined)
      notes.push('samples go to files: when and where it was emitted is not looked up')
  }

  private async emission(
    view: SeenView,
    values: FoldedLabels | null,
    partition: number,
  ): Promise<ExplainedEmission | null> {
    const { log, samples, rules } = this.options
    if (samples === undefined) return null
    const { sampleId, timeMs } = view
    const { found, recordsRead } = await findSample({ log, topic: samples, partition, sampleId, viewTimeMs: timeMs })
    this.recordsRead += recordsRead
    if (found === undefined) return null
    const names = rules.labels.map(({ name }) => name)
    const told = emitted(found, names)
    const agrees =
      values !== null &&
      names.every((name, k) => told.labels[name] === values.labels[k] && told.delaysMs[name] === values.delaysMs[k]) &&
      told.lateView === view.late
    return { ...told, agrees }
  }

  private async asDecided(
    byLog: Fate,
    isLateByLog: boolean,
    emission: ExplainedEmission,
    { range }: Joined,
    tell: TellOptions,
  ): Promise<Fate> {
    const { log, pipeline } = this.options
    const { late, orphans } = pipeline.sideOutputs
    const { reasons, recordsRead } = await readGivenUp(log, [late, orphans], range.partition, range.user)
    this.recordsRead += recordsRead
    const decided = await decidedLive({ byLog, isLateByLog, emission, reasons, range, tell })
    this.recordsRead += decided.recordsRead
    this.notes.push(decided.note)
    return decided.fate
  }

  private async sourceOf({ offset }: SeenView, partition: number): Promise<Place | null> {
    const { log, readers } = this.options
    const { origins } = readers[0]
    if (origins === undefined) return null
    for await (const chunk of log.readRange(this.topics[0], partition, offset, offset + 1)) {
      const i = chunk.offset.indexOf(offset)
      if (i >= 0) return origins.ofRecord(chunk, i) ?? null
    }
    return null
  }

  private async recordOf(view: SeenView): Promise<unknown> {
    const reader = this.options.readers[0]
    try {
      const waiting = reader.ensure(view.writer)
      if (waiting !== undefined) await waiting
      return reader.toJson(view.payload, view.writer)
    } catch {
      return null
    }
  }

  private takenOut(clue: Clue, partition: number, reason: string): Explanation {
    return {
      ...this.notFound(clue.by, ''),
      status: 'quarantined',
      summary: `The view was taken out of the join: ${reason}.`,
      search: this.searched(clue.by, partition),
    }
  }

  private notFound(by: By, why: string): Explanation {
    const { sampleId } = this.request
    return {
      sampleId,
      status: 'notFound',
      summary: `No sample ${sampleId} is known: ${why}.`,
      view: null,
      labels: [],
      engagements: [],
      engagementsLeftOut: 0,
      seal: null,
      emission: null,
      search: this.searched(by, null),
      notes: this.notes,
    }
  }

  private searched(by: By, partition: number | null): ExplainedSearch {
    const tookMs = Math.round(this.options.nowMs() - this.startedMs)
    const { recordsRead, isCut } = this
    return { from: 'log', by, partition, recordsRead, tookMs, ...(isCut && { isCut }) }
  }

  private async partitionCount(): Promise<number> {
    const [info] = await this.options.log.topics([this.topics[0]])
    if (info === undefined) throw new Error(`topic ${this.topics[0]} does not exist`)
    return info.partitions
  }
}

function NOTHING_JOINED(sources: number): AsOf {
  const all = Array.from({ length: sources }, () => Number.POSITIVE_INFINITY)
  return { offsets: all, watermarkMs: Number.NEGATIVE_INFINITY, highestMs: all }
}

export function partitionOfUser(user: Buffer, partitions: number): number {
  return partitionOf(murmur2(user, 0, user.length), partitions)
}
