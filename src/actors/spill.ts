/**
 * Spilling: a hot user's views give up their own records' bytes, which lie in the journal's segments anyway, and get
 * them back when they are sealed. A user who takes more than its share of memory cannot be moved out whole: it is in
 * use. Its index stays in memory, so nothing is sealed early or refused.
 *
 * Invariant: a spilled view's segment is kept, since the view still needs it (store.ts); a user with spilled views is not
 * stored, since its snapshot would lack them.
 */
import type { SourceReader } from '../codec/port.ts'
import * as B from '../join/blocks.ts'
import { EventBatch } from '../join/event.ts'
import * as E from '../join/evolve.ts'
import { murmur2 } from '../join/hash.ts'
import * as L from '../join/layout.ts'
import type { JoinState } from '../join/state.ts'
import type { PartitionJournal } from '../journal/port.ts'
import { decodeSegment } from './segment.ts'

/**
 * Segments kept decoded, in bytes: views are sealed about in the order in which they came, so those of one batch lie in
 * as many segments as the disorder spans, which under live traffic are many and small.
 */
const KEPT_BYTES = 8 << 20
/** What a decoded segment takes beside its bytes. */
const DECODED_BYTES = 96 << 10

interface DecodedSegment {
  readonly batch: EventBatch
  readonly sizeBytes: number
}

export class Spill {
  viewsSpilled = 0
  viewsRestored = 0
  private readonly state: JoinState
  private readonly journal: PartitionJournal
  private readonly viewReader: SourceReader
  private readonly partition: number
  /** The longest unused first. */
  private readonly segments = new Map<number, DecodedSegment>()
  private keptBytes = 0

  constructor(state: JoinState, journal: PartitionJournal, viewReader: SourceReader, partition: number) {
    this.state = state
    this.journal = journal
    this.viewReader = viewReader
    this.partition = partition
  }

  /** Gives up the payloads of the user's pending views that lie in segments. */
  spill(user: number): void {
    const { arena } = this.state
    for (let view = B.u32(arena, user, L.U_VIEWS); view !== 0; view = B.u32(arena, view, L.NEXT)) {
      if (B.hasFlag(arena, view, L.F_SEALED | L.F_SPILLED)) continue
      const payload = B.u32(arena, view, L.V_PAYLOAD)
      if (payload === 0 || B.u32(arena, view, L.V_SEGMENT) === 0) continue
      const length = B.u32(arena, view, L.V_PAYLOAD_LENGTH)
      B.setU32(arena, view, L.V_SPILLED_HASH, murmur2(B.bytesOf(arena, payload), B.byteAt(payload), length))
      E.releasePayload(this.state, view, L.V_PAYLOAD)
      B.setFlag(arena, view, L.F_SPILLED)
      this.viewsSpilled++
    }
    B.setFlag(arena, user, L.F_SPILLED)
  }

  /** Whether any of the user's views is spilled. */
  hasSpilled(user: number): boolean {
    const { arena } = this.state
    if (!B.hasFlag(arena, user, L.F_SPILLED)) return false
    for (let view = B.u32(arena, user, L.U_VIEWS); view !== 0; view = B.u32(arena, view, L.NEXT)) {
      if (B.hasFlag(arena, view, L.F_SPILLED)) return true
    }
    B.clearFlag(arena, user, L.F_SPILLED)
    return false
  }

  /** Brings the payloads of this batch's sealed views back. A promise only if any was spilled. */
  restore(): Promise<void> | undefined {
    if (this.viewsSpilled === this.viewsRestored) return undefined
    const { arena, sealed } = this.state
    const bySegment = new Map<number, number[]>()
    for (let k = 0; k < sealed.length; k++) {
      const view = sealed.items[k]
      if (!B.hasFlag(arena, view, L.F_SPILLED)) continue
      const segment = B.u32(arena, view, L.V_SEGMENT)
      const views = bySegment.get(segment)
      if (views === undefined) bySegment.set(segment, [view])
      else views.push(view)
    }
    return bySegment.size === 0 ? undefined : this.restoreAll(bySegment)
  }

  /** The bytes of a view that was spilled to this segment. */
  async payloadOf(segment: number, offset: number): Promise<Buffer> {
    const batch = await this.segment(segment)
    const i = find(batch, offset)
    if (i < 0) throw new Error(`the journal's segment ${segment} lacks a view that was spilled to it`)
    return batch.payload.subarray(batch.payloadAt[i], batch.payloadAt[i] + batch.payloadLength[i])
  }

  private async restoreAll(bySegment: ReadonlyMap<number, number[]>): Promise<void> {
    for (const [segment, views] of bySegment) {
      const batch = await this.segment(segment)
      for (const view of views) this.restoreOne(view, batch, segment)
    }
  }

  private restoreOne(view: number, batch: EventBatch, segment: number): void {
    const { arena } = this.state
    const i = find(batch, B.f64(arena, view, L.V_OFFSET))
    if (i < 0) throw new Error(`the journal's segment ${segment} lacks a view that was spilled to it`)
    E.setPayload(this.state, view, L.V_PAYLOAD, batch.payload, batch.payloadAt[i], batch.payloadLength[i])
    B.clearFlag(arena, view, L.F_SPILLED)
    this.viewsRestored++
  }

  private async segment(sequence: number): Promise<EventBatch> {
    const kept = this.segments.get(sequence) ?? (await this.read(sequence))
    this.segments.delete(sequence)
    this.segments.set(sequence, kept)
    return kept.batch
  }

  private async read(sequence: number): Promise<DecodedSegment> {
    const bytes = await this.journal.segment(sequence)
    const read = bytes === null ? undefined : decodeSegment(bytes, () => '', this.partition)
    if (read === undefined) throw new Error(`the journal's segment ${sequence} is gone though spilled views need it`)
    const preparing = this.viewReader.prepare(read.chunk)
    if (preparing !== undefined) await preparing
    const batch = new EventBatch()
    this.viewReader.read(read.chunk, batch)
    const decoded = { batch, sizeBytes: bytes!.length + DECODED_BYTES }
    this.keptBytes += decoded.sizeBytes
    for (const [oldest, { sizeBytes }] of this.segments) {
      if (this.keptBytes <= KEPT_BYTES) break
      this.segments.delete(oldest)
      this.keptBytes -= sizeBytes
    }
    return decoded
  }
}

/** Offsets ascend. */
function find(batch: EventBatch, offset: number): number {
  let low = 0
  let high = batch.count - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    if (batch.offset[middle] === offset) return middle
    if (batch.offset[middle] < offset) low = middle + 1
    else high = middle - 1
  }
  return -1
}
