/** Rows for sample encoders, as the join would make them of an event. */
import type { SampleRow } from '../../src/codec/port.ts'
import type { Event } from './support.ts'

export interface RowOptions {
  readonly labels: readonly number[]
  readonly delays: readonly number[]
  readonly late?: boolean
  readonly revision?: number
  readonly weight?: number
}

export function rowOf(event: Event, options: RowOptions): SampleRow {
  const id = Buffer.from(event.viewId ?? `${event.user}:${event.item}:${event.timeMs}`)
  const user = Buffer.from(event.user ?? '')
  const item = Buffer.from(event.item ?? '')
  // Something before each part: positions must be heeded.
  const gap = Buffer.alloc(3, 0xff)
  const parts = [gap, id, gap, user, gap, item, gap]
  const at = (index: number) => parts.slice(0, index).reduce((sum, part) => sum + part.length, 0)
  return {
    bytes: Buffer.concat(parts),
    idAt: at(1),
    idLength: id.length,
    userAt: at(3),
    userLength: user.length,
    itemAt: at(5),
    itemLength: item.length,
    payload: Buffer.concat([gap, event.payload, gap]),
    payloadAt: gap.length,
    payloadLength: event.payload.length,
    timeMs: event.timeMs,
    late: options.late ?? false,
    revision: options.revision ?? 0,
    weight: options.weight ?? 1,
    writer: event.writer,
    labels: Float64Array.of(-1, ...options.labels),
    delays: Float64Array.of(-1, ...options.delays),
    labelsAt: 1,
  }
}
