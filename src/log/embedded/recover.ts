/**
 * Opens a partition's folder after whatever ended the last process.
 *
 * Invariant: the last segment is read through with checksums and cut at the first byte that is not of a sound batch,
 * and what is left is made durable before anyone may read it. Older segments were complete when they were left.
 */
import { constants } from 'node:fs'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { walkFile } from './batches.ts'
import { syncFolder } from './files.ts'
import { PartitionLog, type PartitionOptions } from './partition.ts'
import { Segment, segmentName } from './segment.ts'

const SEGMENT_NAME = /^(\d{20})\.log$/

export interface Recovered {
  readonly log: PartitionLog
  /** Bytes cut off the end. */
  readonly tornBytes: number
}

export async function openPartition(options: PartitionOptions): Promise<Recovered> {
  const { folder } = options
  await mkdir(folder, { recursive: true })
  const bases = (await readdir(folder)).flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? []).map(Number)
  bases.sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const base of bases.slice(0, -1)) {
    const { size, mtimeMs } = await stat(`${folder}/${segmentName(base)}`)
    segments.push(new Segment(folder, base, size, mtimeMs, false))
  }
  return openLast(options, segments, bases.at(-1) ?? 0)
}

async function openLast(options: PartitionOptions, older: Segment[], base: number): Promise<Recovered> {
  const { folder } = options
  const path = `${folder}/${segmentName(base)}`
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT)
  const active = new Segment(folder, base, 0, Number.NEGATIVE_INFINITY, true)
  let high = base
  const { size } = await handle.stat()
  const end = await walkFile(handle, base, size, true, (batch) => {
    active.note(batch)
    high = batch.nextOffset
  })
  if (end < size) await handle.truncate(end)
  await handle.sync()
  await syncFolder(folder)
  const log = new PartitionLog(options, [...older, active], handle, high)
  await log.deleteExpired()
  return { log, tornBytes: size - end }
}
