/** A node as the control server sees one, with whatever numbers a test gives it; and a reader of `{"user":...}` lines. */

import { ClusterMap } from '../../src/cluster/map.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import type { ControlConfig, Source, TimeRules } from '../../src/config/model.ts'
import type { NodeView, PartitionView } from '../../src/inspect/view.ts'
import { type EventBatch, VIEW } from '../../src/join/event.ts'
import { LEDGER_FIELDS, type LedgerField } from '../../src/join/ledger.ts'
import { noCounts } from '../../src/journal/port.ts'
import type { RawChunk } from '../../src/log/chunk.ts'
import type { Log } from '../../src/log/port.ts'
import { Durations } from '../../src/time/durations.ts'

export const TOPICS = ['views', 'engagements']

const SOURCES = TOPICS.map((topic) => ({ topic, format: { type: 'json' } }) as Source)

export const LIMITS = { inflatedBytes: 1 << 26, recordBytes: 1 << 20, items: 100_000, depth: 64, stringBytes: 1 << 20 }

const TIME: TimeRules = {
  basis: 'event',
  outOfOrdernessMs: 5000,
  allowedLatenessMs: 0,
  idleAfterMs: 5000,
  idle: 'follow',
  maxClockSkewMs: 300_000,
  alignWithinMs: 60_000,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 60_000,
}

export function ledgerOf(counts: Partial<Record<LedgerField, number>>): readonly number[] {
  return LEDGER_FIELDS.map((field) => counts[field] ?? 0)
}

export interface FakePartition {
  readonly isLive?: boolean
  readonly isDraining?: boolean
  readonly stoppedBy?: Error
  readonly replay?: PartitionView['replay']
  readonly bufferedBytes?: number
  readonly ledger?: Partial<Record<LedgerField, number>>
  readonly position?: readonly number[]
  readonly endOffset?: readonly number[]
  readonly watermarkMs?: number
  readonly highestMs?: readonly number[]
  readonly recordsJoined?: number
  readonly paused?: number
  /** Of a consolidated topic. */
  readonly slowest?: readonly (readonly [name: string, clockMs: number])[]
}

export function fakePartition(index: number, given: FakePartition = {}): PartitionView {
  return {
    index,
    isLive: given.isLive ?? true,
    isDraining: given.isDraining ?? false,
    stoppedBy: given.stoppedBy,
    replay: given.replay,
    bufferedBytes: given.bufferedBytes ?? 0,
    position: given.position ?? [0, 0],
    endOffset: given.endOffset ?? [0, 0],
    isPaused: (source) => source === given.paused,
    rates: {
      recordsJoined: given.recordsJoined ?? 0,
      recordsReplayed: 7,

      batches: new Durations(),
      emissions: new Durations(),
    },
    users: { live: 3, restarts: 1, passivated: 2 },
    output: { transcoded: 6 },
    recovered: { from: 'journal', segmentsRead: 11, usersLoaded: 0, lost: [] },
    schedule: { last: undefined },
    spill: { viewsSpilled: 30, viewsRestored: 10 },
    store: {
      journalCounts: { ...noCounts(), bytesWritten: 2048, segmentsWritten: 3 },
      counts: { usersStored: 11, usersLoaded: 6, viewsStored: 30, viewsLoaded: 20 },
      segments: 4,
      storedUsers: 5,
    },
    state: {
      ledger: ledgerOf(given.ledger ?? {}),
      settled: ledgerOf(given.ledger ?? {}),
      users: { size: 5 },
      arena: { usedBytes: 1000, reservedBytes: 4096 },
      clocks: {
        watermarkMs: given.watermarkMs ?? Number.NEGATIVE_INFINITY,
        highestMs: given.highestMs ?? [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
        silenceMs: [0, 0],
        clockMs: (source) => given.highestMs?.[source] ?? Number.NEGATIVE_INFINITY,
        ...(given.slowest === undefined ? {} : { slowest: () => given.slowest! }),
      },
    },
  }
}

export interface FakeNode extends NodeView {
  state: NodeView['state']
  partitions: readonly PartitionView[]
}

const nobody = { members: async () => ({ state: 'empty', members: [] }) as const }

const noLog = { kind: 'kafka', topics: async () => [], committed: async () => [] } as unknown as Log

export function fakeNode(
  partitions: readonly PartitionView[],
  given: { log?: Log; map?: NodeView['map']; inFlightBytes?: number; id?: string; sources?: readonly Source[] } = {},
): FakeNode {
  return {
    id: given.id ?? 'node-1',
    state: 'running',
    config: {
      pipeline: { name: 'feed', fingerprint: 'abc', sources: given.sources ?? SOURCES, limits: LIMITS, time: TIME },
      node: {
        group: 'postview-feed',
        memory: { stateBytes: 1, inFlightBytes: given.inFlightBytes ?? 64 << 20, outputBytes: 1, actorBytes: 1 },
      },
    },
    log: given.log ?? noLog,
    topics: TOPICS,
    partitionCount: 4,
    commits: 12,
    map: given.map ?? new ClusterMap({ log: nobody, group: 'postview-feed', partitionCount: () => 4 }),
    assignments: 1,
    commitTimes: new Durations(),
    flushTimes: new Durations(),
    partitions,
  }
}

/** Reads values such as {"user":"u1"}; refuses what is not. */
export class LineReader implements SourceReader {
  readonly writers = []
  /** What `prepare` gives. */
  preparing: Promise<void> | undefined

  prepare(): Promise<void> | undefined {
    return this.preparing
  }

  read(chunk: RawChunk, into: EventBatch): void {
    into.reset(chunk.count, chunk.bytes)
    for (let i = 0; i < chunk.count; i++) this.readOne(chunk, into, i)
  }

  private readOne(chunk: RawChunk, into: EventBatch, i: number): void {
    into.offset[i] = chunk.offset[i]
    into.kind[i] = VIEW
    try {
      const text = chunk.bytes.toString('utf8', chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
      const { user } = JSON.parse(text) as { user: string }
      const length = Buffer.byteLength(user)
      into.userAt[i] = into.reserveText(length)
      into.userLength[i] = into.text.write(user, into.userAt[i])
      into.textEnd += length
    } catch {
      into.refuse(i, 'not an event')
    }
  }

  toJson(): unknown {
    return null
  }

  ensure(): undefined {}

  schemaOf(): null {
    return null
  }
}

/** Any free port of this machine, and no token asked for. */
export const CONTROL: ControlConfig = { host: '127.0.0.1', port: 0, mask: false, requestsPerS: 1000 }

export const quiet = { warn: () => {}, error: () => {} }

export const readers = [new LineReader(), new LineReader()]
