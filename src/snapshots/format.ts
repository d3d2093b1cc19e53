/**
 * How a shared snapshot lies in its store, version 1: frames, each with its number, its kind and a checksum.
 *
 *   header (JSON: id, pipeline, position)   users, users, ...   payloads, ...   end (JSON: counts)
 *
 * `users` frames together are one run of bytes, cut anywhere: entries of (key length, state length, key, state), the
 * state as in join/snapshot.ts. `payloads` likewise: (offset, length, bytes) of views whose own bytes lay in the journal.
 *
 * Invariants: a frame's checksum (CRC-32C) covers all of it and, but for the header, the snapshot's id: a frame of
 * another snapshot, of another place, or with any other bit is no frame of this one. Without its end it is no snapshot.
 */
import { randomBytes } from 'node:crypto'
import { crc32c } from '@node-rs/crc32'
import { compress, uncompress } from 'lz4-napi'
import { discard } from '../log/recordBatch/discard.ts'

const VERSION = 1
const MAGIC = 0x50565331 // "PVS1"
const HEAD_BYTES = 16
const CHECKSUM_BYTES = 4

export const HEADER = 1
export const USERS = 2
export const PAYLOADS = 3
export const END = 4

/** Bytes of a frame before compression: what does not compress still fits a record of a topic. */
export const FRAME_BYTES = 512 * 1024
/** No frame inflates beyond it, whatever it says. */
const INFLATED_MOST = 4 * FRAME_BYTES

export class SnapshotDamaged extends Error {
  override name = 'SnapshotDamaged'
}

/** What a snapshot stands for: the commit behind it, and of which pipeline it is. */
export interface Header {
  readonly version: number
  readonly id: string
  readonly fingerprint: string
  readonly partition: number
  readonly topics: readonly string[]
  readonly offsets: readonly number[]
  readonly neededFrom: readonly number[]
  /** Null where there was none yet, as JSON has no infinity. */
  readonly highestMs: readonly (number | null)[]
  readonly watermarkMs: number | null
  readonly takenAtMs: number
}

export interface End {
  readonly frames: number
  readonly users: number
  readonly views: number
}

export interface Frame {
  readonly kind: number
  readonly bytes: Buffer
}

export function newId(): string {
  return randomBytes(12).toString('hex')
}

export function headerFrame(header: Omit<Header, 'version'>): Buffer {
  return seal(HEADER, 0, Buffer.from(JSON.stringify({ version: VERSION, ...header })), 0)
}

export function endFrame(id: string, number: number, end: End): Buffer {
  return seal(END, number, Buffer.from(JSON.stringify(end)), seedOf(id))
}

/** Compressed beside the caller's thread. */
export async function dataFrame(id: string, kind: number, number: number, bytes: Buffer): Promise<Buffer> {
  const compressed = await compress(bytes)
  const frame = seal(kind, number, compressed, seedOf(id))
  discard(compressed)
  return frame
}

function seal(kind: number, number: number, bytes: Buffer, seed: number): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes.length + CHECKSUM_BYTES)
  frame.writeUInt32LE(MAGIC, 0)
  frame.writeUInt32LE(kind, 4)
  frame.writeUInt32LE(number, 8)
  frame.writeUInt32LE(bytes.length, 12)
  bytes.copy(frame, HEAD_BYTES)
  const end = HEAD_BYTES + bytes.length
  frame.writeUInt32LE(crc32c(frame.subarray(0, end), seed), end)
  return frame
}

/** The frame's kind and what is in it, inflated; throws SnapshotDamaged where it is not frame `number` of snapshot `id`. */
export async function openFrame(frame: Buffer, number: number, id: string): Promise<Frame> {
  const kind = check(frame, number, seedOf(id))
  const bytes = frame.subarray(HEAD_BYTES, frame.length - CHECKSUM_BYTES)
  if (kind !== USERS && kind !== PAYLOADS) return { kind, bytes }
  if (bytes.length < 4 || bytes.readUInt32LE(0) > INFLATED_MOST) {
    throw new SnapshotDamaged(`frame ${number} says that it inflates beyond ${INFLATED_MOST} bytes`)
  }
  try {
    return { kind, bytes: await uncompress(bytes) }
  } catch (cause) {
    throw new SnapshotDamaged(`frame ${number} cannot be inflated`, { cause })
  }
}

export function readHeader(frame: Buffer): Header {
  if (check(frame, 0, 0) !== HEADER) throw new SnapshotDamaged('it does not begin with a header')
  const header = JSON.parse(frame.toString('utf8', HEAD_BYTES, frame.length - CHECKSUM_BYTES)) as Header
  if (header.version !== VERSION) throw new SnapshotDamaged(`its version is ${header.version}, not ${VERSION}`)
  return header
}

export function readEnd({ bytes }: Frame): End {
  return JSON.parse(bytes.toString()) as End
}

export function isEnd(frame: Buffer): boolean {
  return frame.length >= HEAD_BYTES && frame.readUInt32LE(0) === MAGIC && frame.readUInt32LE(4) === END
}

function check(frame: Buffer, number: number, seed: number): number {
  const end = frame.length - CHECKSUM_BYTES
  if (end < HEAD_BYTES || frame.readUInt32LE(0) !== MAGIC) throw new SnapshotDamaged(`frame ${number} is none`)
  if (crc32c(frame.subarray(0, end), seed) !== frame.readUInt32LE(end)) {
    throw new SnapshotDamaged(`frame ${number} has a wrong checksum`)
  }
  if (frame.readUInt32LE(8) !== number) {
    throw new SnapshotDamaged(`frame ${frame.readUInt32LE(8)} lies where ${number} should`)
  }
  return frame.readUInt32LE(4)
}

function seedOf(id: string): number {
  return crc32c(Buffer.from(id))
}
