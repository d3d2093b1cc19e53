/** What a partition is made of and told, and what it tells: the shapes around partition.ts. */
import type { ActorSystemRef } from 'nact'
import type { SourceReader } from '../codec/port.ts'
import type { Clocks } from '../join/clocks.ts'
import type { Rules } from '../join/rules.ts'
import type { JoinState } from '../join/state.ts'
import type { BeforeRecord } from '../join/turn.ts'
import type { PartitionJournal } from '../journal/port.ts'
import type { RawChunk } from '../log/chunk.ts'
import type { Clock } from '../time/clock.ts'
import { Durations } from '../time/durations.ts'
import type { AcceptedLoss } from './loss.ts'
import type { Outlets } from './output.ts'
import type { Position } from './position.ts'
import type { SharedSnapshots } from './snapshotSchedule.ts'
import type { Epoch } from './store.ts'

export interface PartitionOptions {
  readonly partition: number
  readonly partitions: number
  readonly rules: Rules
  /** Topics of the sources, in their order. */
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  /** Where other clocks than the sources' own count: those told in a consolidated topic. */
  readonly makeClocks?: () => Clocks
  readonly outlets: Outlets
  readonly system: ActorSystemRef
  readonly clock: Clock
  readonly inboxBytes: number
  readonly alignWithinMs: number
  readonly outputBytes: number
  readonly actorBytes: number
  readonly pause: (source: number) => void
  readonly resume: (source: number) => void
  readonly onFailed: (error: Error) => void
  /** What is tried again. */
  readonly onTrouble: (error: Error) => void
  /** A record went to the dead letters. */
  readonly onDeadLetter?: (source: number, offset: number) => void
  /** An engagement was given up whose own fields cannot be read any more: its side output says where it lies. */
  readonly onUnreadable?: (source: number, offset: number) => void
  /** A user's actor crashed over this record, and was restarted. */
  readonly onRestarted?: (source: number, offset: number, error: unknown) => void
  /** Where state may lie beside memory. */
  readonly journal: PartitionJournal
  readonly fingerprint: string
  readonly stateBytes: number
  /** What may be missing from the log, exactly. */
  readonly acceptLoss?: readonly AcceptedLoss[]
  /** Where snapshots are shared; absent: nowhere. */
  readonly snapshots?: SharedSnapshots
  /** What is worth a line of the log, and nothing to act on. */
  readonly onNote?: (fields: object, message: string) => void
  /** Asks for a commit soon: state waits for it to be moved out of memory. */
  readonly commitSoon: () => void
  /** Reads [from, to) of a source's log again. */
  readonly readLog: (source: number, from: number, to: number) => AsyncIterable<RawChunk>
  /** Looks on as what a batch has brought about goes out. */
  readonly onlooker?: Onlooker
  /** Runs before each record of a turn; tests inject faults with it. */
  readonly beforeRecord?: BeforeRecord
}

/** Sees each batch's sealed views, then what was given up (by their places in the state's lists), then that it is done. */
export interface Onlooker {
  sealed(s: JoinState, k: number): void
  gaveUp(s: JoinState, k: number): void
  done(s: JoinState): void
}

/** What a commit would say, as of one moment between two batches. */
export interface Capture {
  readonly position: Position
  readonly batchNumber: number
  readonly epoch: Epoch
}

export interface PartitionRates {
  recordsJoined: number
  recordsReplayed: number
  /** Of a batch, from its first record to its last sample. */
  readonly batches: Durations
  /** Of a sample, from its view's deadline to its being made: event time against the wall clock. */
  readonly emissions: Durations
}

export function newRates(): PartitionRates {
  return { recordsJoined: 0, recordsReplayed: 0, batches: new Durations(), emissions: new Durations() }
}
