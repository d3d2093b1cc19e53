/**
 * What leaves a partition: samples to the sinks, given-up engagements to the side outputs, bad records to the dead
 * letters.
 *
 * Owns: the encoding of each, in one scratch buffer.
 * Invariant: nothing in a sample depends on when or where it was sealed, so that a repeated sample has the same bytes.
 */
import type { ByteBuffer, SampleEncoder, SampleRow, SourceReader } from '../codec/port.ts'
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import { SAMPLES, VIEWS_QUARANTINED } from '../join/ledger.ts'
import { GAVE_UP_LATE, GAVE_UP_ORPHAN, GAVE_UP_OUTSIDE, type JoinState } from '../join/state.ts'
import type { RawChunk } from '../log/chunk.ts'
import { cutSizes, cutTo } from '../sinks/cut.ts'
import type { SideOutlet } from '../sinks/lines.ts'
import type { SampleSink } from '../sinks/port.ts'
import type { Durations } from '../time/durations.ts'
import { type DeadLetter, deadHeaders } from './deadLetter.ts'
import type { Culprit } from './restart.ts'
import { thrownReason } from './thrown.ts'

/** A sink with the encoder of its format; sinks of one format share the encoder and the bytes. */
export interface EncodedSinks {
  readonly encoder: SampleEncoder
  readonly sinks: readonly SampleSink[]
}

export interface Outlets {
  readonly samples: readonly EncodedSinks[]
  readonly late: SideOutlet
  readonly orphans: SideOutlet
  readonly deadLetters: SideOutlet
}

const NOTHING = Buffer.alloc(0)
const REASON_TEXT = { [GAVE_UP_OUTSIDE]: 'outside', [GAVE_UP_LATE]: 'late', [GAVE_UP_ORPHAN]: 'orphan' } as const
type GaveUpReason = (typeof REASON_TEXT)[keyof typeof REASON_TEXT]

export function emptyRow(): SampleRow {
  return {
    bytes: Buffer.alloc(0),
    idAt: 0,
    idLength: 0,
    userAt: 0,
    userLength: 0,
    itemAt: 0,
    itemLength: 0,
    timeMs: 0,
    late: false,
    revision: 0,
    weight: 1,
    payload: Buffer.alloc(0),
    payloadAt: 0,
    payloadLength: 0,
    writer: 0,
    labels: new Float64Array(0),
    delays: new Float64Array(0),
    labelsAt: 0,
  }
}

export interface OutputOptions {
  readonly partition: number
  /** Of the partition: who decided what is in its dead letters. */
  readonly owner: string
  readonly outlets: Outlets
  readonly topics: readonly string[]
  readonly readers: readonly SourceReader[]
  /** What may wait to be sent. */
  readonly outputBytes: number
  /** Of samples, from their deadline to now. */
  readonly emissions: Durations
  readonly onDeadLetter?: (source: number, offset: number) => void
  readonly onUnreadable?: (source: number, offset: number) => void
  /** Told of each dead letter, in the order in which they are written. */
  readonly onDead: (source: number, offset: number, decided: boolean) => void
}

export class PartitionOutput {
  /** Samples whose view was rewritten from its writer's schema to the pipeline's. */
  transcoded = 0
  private readonly partition: number
  private readonly owner: string
  private readonly outlets: Outlets
  private readonly topics: readonly string[]
  private readonly readers: readonly SourceReader[]
  private readonly row = emptyRow()
  /** Where each format's encoding of the sample begins, and the last one ends. */
  private readonly starts: Int32Array
  private readonly out: ByteBuffer = { buffer: Buffer.allocUnsafe(64 * 1024), end: 0 }
  /** A row's texts, side by side: they lie in several blocks of the arena. The payload is encoded from where it lies. */
  private scratch = Buffer.allocUnsafe(64 * 1024)

  private readonly limitBytes: number
  private readonly emissions: Durations
  private readonly onDead: OutputOptions['onDead']
  private readonly onDeadLetter: OutputOptions['onDeadLetter']
  private readonly onUnreadable: OutputOptions['onUnreadable']

  constructor(options: OutputOptions) {
    this.partition = options.partition
    this.owner = options.owner
    this.outlets = options.outlets
    this.starts = new Int32Array(options.outlets.samples.length + 1)
    this.topics = options.topics
    this.readers = options.readers
    this.limitBytes = options.outputBytes
    this.emissions = options.emissions
    this.onDead = options.onDead
    this.onDeadLetter = options.onDeadLetter
    this.onUnreadable = options.onUnreadable
  }

  /** Encodes sealed view k to every sink. A promise only while a schema is being registered. */
  sample(s: JoinState, k: number, stampMs: number): Promise<void> | undefined {
    this.fillRow(s, k)
    for (const { encoder } of this.outlets.samples) {
      const waiting = encoder.prepare(this.row)
      if (waiting !== undefined) return waiting.then(() => this.sample(s, k, stampMs))
    }
    this.out.end = 0
    const { samples } = this.outlets
    const rewritten = this.rewritten()
    try {
      for (let k = 0; k < samples.length; k++) {
        samples[k].encoder.encode(this.row, this.out)
        this.starts[k + 1] = this.out.end
      }
    } catch (error) {
      this.isolate(s, k, thrownReason('noSample', error), stampMs)
      return undefined
    }
    const refusal = this.refusal()
    if (refusal !== undefined) {
      this.isolate(s, k, `its sample is too large: ${refusal}`, stampMs)
      return undefined
    }
    this.addToSinks(stampMs)
    if (this.rewritten() > rewritten) this.transcoded++
    this.emissions.add(stampMs - this.row.timeMs - s.rules.viewWaitMs)
    return undefined
  }

  /** By all encoders, which other partitions use too, but not within one sample. */
  private rewritten(): number {
    let count = 0
    for (const { encoder } of this.outlets.samples) count += encoder.transcoded
    return count
  }

  /** Of the first sink that cannot hold the sample: it goes to all sinks or to none. */
  private refusal(): string | undefined {
    const { row, out, starts } = this
    for (let k = 0; k < this.outlets.samples.length; k++) {
      const length = starts[k + 1] - starts[k]
      for (const sink of this.outlets.samples[k].sinks) {
        const why = sink.refusal(row.bytes, row.userAt, row.userLength, out.buffer, starts[k], length)
        if (why !== undefined) return why
      }
    }
    return undefined
  }

  private addToSinks(stampMs: number): void {
    const { row, out, starts } = this
    for (let k = 0; k < this.outlets.samples.length; k++) {
      const length = starts[k + 1] - starts[k]
      for (const sink of this.outlets.samples[k].sinks) {
        sink.add(this.partition, row.bytes, row.userAt, row.userLength, out.buffer, starts[k], length, stampMs)
      }
    }
  }

  /** A view whose sample its schema (a writer's that does not resolve) or its topic cannot hold: a dead letter, no stop. */
  private isolate(s: JoinState, k: number, reason: string, stampMs: number): void {
    const { row } = this
    s.ledger[SAMPLES]--
    s.ledger[VIEWS_QUARANTINED]++
    this.deadBytes(
      {
        source: 0,
        offset: B.f64(s.arena, s.sealed.items[k], L.V_OFFSET),
        reason,
        decided: false,
        key: Buffer.from(row.bytes.subarray(row.userAt, row.userAt + row.userLength)),
        value: Buffer.from(row.payload.subarray(row.payloadAt, row.payloadAt + row.payloadLength)),
      },
      stampMs,
    )
  }

  private fillRow(s: JoinState, k: number): void {
    const { arena } = s
    const { row } = this
    const view = s.sealed.items[k]
    const user = B.u32(arena, view, L.V_USER)
    const payload = B.u32(arena, view, L.V_PAYLOAD)
    const idLength = B.viewIdLength(arena, view)
    const itemLength = B.viewItemLength(arena, view)
    const userLength = B.u32(arena, user, L.U_LENGTH)
    const payloadLength = B.u32(arena, view, L.V_PAYLOAD_LENGTH)
    const size = idLength + itemLength + userLength
    if (size > this.scratch.length) this.scratch = Buffer.allocUnsafe(size * 2)
    const to = this.scratch
    const viewBytes = B.bytesOf(arena, view)
    const idAt = B.viewIdAt(view)
    copy(viewBytes, idAt, idLength + itemLength, to, 0)
    copy(B.bytesOf(arena, user), B.userTextAt(user), userLength, to, idLength + itemLength)
    row.bytes = to
    row.idAt = 0
    row.idLength = idLength
    row.itemAt = idLength
    row.itemLength = itemLength
    row.userAt = idLength + itemLength
    row.userLength = userLength
    row.payload = B.bytesOf(arena, payload)
    row.payloadAt = B.byteAt(payload)
    row.payloadLength = payloadLength
    row.timeMs = B.f64(arena, view, L.V_TIME)
    row.late = B.hasFlag(arena, view, L.F_LATE)
    row.writer = B.u32(arena, view, L.V_WRITER)
    row.labels = s.labels
    row.delays = s.delays
    row.labelsAt = k * s.rules.labels.length
  }

  /** A given-up engagement, as JSON with its own fields, where it was read and why it was given up. */
  gaveUp(s: JoinState, k: number, stampMs: number): Promise<void> | undefined {
    const reason = REASON_TEXT[s.gaveUpReason.items[k] as keyof typeof REASON_TEXT]
    if (reason === undefined) return undefined
    const e = s.gaveUp.items[k]
    const waiting = this.readers[B.u32(s.arena, e, L.E_SOURCE)].ensure(B.u32(s.arena, e, L.E_WRITER))
    if (waiting === undefined) this.addGivenUp(s, e, reason, stampMs)
    // Asked once: a writer that the registry has no more is not there afterwards either.
    return waiting?.then(() => this.addGivenUp(s, e, reason, stampMs))
  }

  private addGivenUp(s: JoinState, e: number, reason: GaveUpReason, stampMs: number): void {
    const { arena } = s
    const source = B.u32(arena, e, L.E_SOURCE)
    const offset = B.f64(arena, e, L.E_OFFSET)
    const payload = B.u32(arena, e, L.E_PAYLOAD)
    const at = B.byteAt(payload)
    const length = B.u32(arena, e, L.E_PAYLOAD_LENGTH)
    const bytes = payload === 0 ? undefined : B.bytesOf(arena, payload).subarray(at, at + length)
    const own = bytes === undefined ? {} : this.fieldsOf(source, offset, bytes, B.u32(arena, e, L.E_WRITER))
    const from = bytes && this.readers[source].origins?.ofPayload(bytes).place
    const where = {
      topic: this.topics[source],
      partition: this.partition,
      offset,
      reason,
      ...(from && { source_topic: from.topic, source_partition: from.partition, source_offset: from.offset }),
    }
    const user = B.u32(arena, e, L.E_USER)
    const userAt = B.userTextAt(user)
    const key = B.bytesOf(arena, user).subarray(userAt, userAt + B.u32(arena, user, L.U_LENGTH))
    this.addToSide(reason === 'orphan' ? this.outlets.orphans : this.outlets.late, key, own, where, stampMs)
  }

  /** Its own fields are left out where the topic cannot hold them: the log has them at its place. */
  private addToSide(topic: SideOutlet, user: Buffer, own: object, where: object, stampMs: number): void {
    const whole = Buffer.from(JSON.stringify({ ...own, ...where }))
    const refusal = topic.refusal(user, 0, user.length, whole, 0, whole.length)
    if (refusal === undefined) {
      topic.add(this.partition, stampMs, user, 0, user.length, whole, 0, whole.length)
      return
    }
    const place = Buffer.from(JSON.stringify({ too_large: refusal, ...where }))
    const { key, value, headers } = cutTo(topic.roomBytes, { key: user, value: place, headers: [] })
    topic.add(this.partition, stampMs, key, 0, key!.length, value, 0, value!.length, headers)
  }

  /** An engagement's own; what cannot be read any more says so instead, and stops nothing: the log has it at its place. */
  private fieldsOf(source: number, offset: number, bytes: Buffer, writer: number): object {
    try {
      return this.readers[source].toJson(bytes, writer) as object
    } catch (error) {
      this.onUnreadable?.(source, offset)
      return { unreadable: (error as Error).message }
    }
  }

  /** An event that crashed its actor twice: of the chunk in hand, or of before. It is skipped from now on. */
  crashed(
    inHand: RawChunk | undefined,
    stampMs: number,
    { source, offset, record }: Culprit,
    reason: string,
    key: Buffer,
    value: Buffer | null,
  ): void {
    if (record >= 0) this.dead(inHand!, record, source, reason, true, stampMs)
    else this.deadEvent({ source, offset, reason, decided: true, key, value }, stampMs)
  }

  /** An event of before, by what is kept of it. */
  deadEvent(record: DeadLetter, stampMs: number): void {
    const { value, place } = this.readers[record.source].origins?.ofPayload(record.value ?? NOTHING) ?? {}
    this.deadBytes(place === undefined ? record : { ...record, value: value!, from: place }, stampMs)
  }

  /** A bad record: raw key and value, with where it was read and why in the headers. */
  dead(chunk: RawChunk, i: number, source: number, reason: string, decided: boolean, stampMs: number): void {
    this.deadBytes(
      {
        source,
        offset: chunk.offset[i],
        reason,
        decided,
        key: chunk.keyLength[i] < 0 ? null : chunk.bytes.subarray(chunk.keyAt[i], chunk.keyAt[i] + chunk.keyLength[i]),
        value:
          chunk.valueLength[i] < 0
            ? null
            : chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i]),
        from: this.readers[source].origins?.ofRecord(chunk, i),
        sizes: this.readers[source].origins && cutSizes(chunk, i),
      },
      stampMs,
    )
  }

  /** Never refused: what the topic cannot hold is cut. */
  private deadBytes(record: DeadLetter, stampMs: number): void {
    this.onDead(record.source, record.offset, record.decided)
    this.onDeadLetter?.(record.source, record.offset)
    const topic = this.outlets.deadLetters
    const headers = deadHeaders(this.topics[record.source], this.partition, this.owner, record)
    const [keyLength, valueLength] = [record.key?.length ?? -1, record.value?.length ?? -1]
    const refusal = topic.refusal(record.key, 0, keyLength, record.value, 0, valueLength, headers)
    const whole = { key: record.key, value: record.value, headers }
    const { key, value, headers: all } = refusal === undefined ? whole : cutTo(topic.roomBytes, whole)
    topic.add(this.partition, stampMs, key, 0, key?.length ?? -1, value, 0, value?.length ?? -1, all)
  }

  /** Starts sending what was made. */
  push(): void {
    for (const { sinks } of this.outlets.samples) for (const sink of sinks) sink.push(this.partition)
    for (const topic of this.sideTopics()) topic.push(this.partition)
  }

  /** Resolves when all that was made so far is durable. */
  async flush(): Promise<void> {
    const sinks = this.outlets.samples.flatMap((encoded) => encoded.sinks)
    await Promise.all([
      ...sinks.map((sink) => sink.flush(this.partition)),
      ...this.sideTopics().map((topic) => topic.flush(this.partition)),
    ])
  }

  /** Whether it is to be flushed before more is made. */
  get isFull(): boolean {
    let bytes = 0
    for (const { sinks } of this.outlets.samples) for (const sink of sinks) bytes += sink.bufferedBytes
    for (const topic of this.sideTopics()) bytes += topic.bufferedBytes
    return bytes > this.limitBytes
  }

  private sideTopics(): readonly SideOutlet[] {
    return [this.outlets.late, this.outlets.orphans, this.outlets.deadLetters]
  }
}

function copy(from: Buffer, at: number, length: number, to: Buffer, toAt: number): void {
  for (let k = 0; k < length; k++) to[toAt + k] = from[at + k]
}
