/**
 * What a topic takes (`max.message.bytes`), as it is known at the start: of a batch as it is sent, and of its records
 * before they are compressed.
 */
import type { Compression } from '../config/model.ts'
import type { TopicInfo } from '../log/port.ts'

export interface TopicLimit {
  readonly bytes: number
  /** Of the records, uncompressed: so that whoever reads them inflates them. */
  readonly plainBytes: number
}

/** Kafka's own, where a topic's settings may not be read. */
export const DEFAULT_BYTES = 1_048_588
/** What is larger is not compressed to see whether it fits: that takes long. */
const MOST_PLAIN_BYTES = 16 * 2 ** 20
/** A batch's header and a record's own numbers. */
const OVERHEAD_BYTES = 1024
/** What no codec makes larger than by this part: a literal of 61 bytes is Snappy's worst. */
const EXPANSION = 64

export const NO_LIMIT: TopicLimit = { bytes: Number.POSITIVE_INFINITY, plainBytes: Number.POSITIVE_INFINITY }

/** `inflatedBytes`: what those who read the topic inflate. */
export function limitOf(info: TopicInfo | undefined, compression: Compression, inflatedBytes: number): TopicLimit {
  const given = Number(info?.settings.get('max.message.bytes') ?? DEFAULT_BYTES)
  const bytes = Number.isFinite(given) ? given : DEFAULT_BYTES
  const codec = info?.settings.get('compression.type') ?? 'producer'
  // A broker that compresses anew measures what it has made of it.
  const isKept = codec === 'producer' || codec === compression
  const plainBytes = isKept ? Math.max(surelyFits(bytes), MOST_PLAIN_BYTES) : surelyFits(bytes)
  return { bytes, plainBytes: Math.min(plainBytes, inflatedBytes) }
}

/** Key, value and headers of so many bytes fit, whatever compression makes of them. */
export function roomOf({ bytes, plainBytes }: TopicLimit): number {
  return Math.min(surelyFits(bytes), plainBytes - OVERHEAD_BYTES)
}

function surelyFits(bytes: number): number {
  return Math.floor(bytes * (1 - 1 / EXPANSION)) - OVERHEAD_BYTES
}
