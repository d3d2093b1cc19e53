/**
 * Recovers the files that a crashed node left unfinished: what `flush` had resolved for lies in them, and may have been
 * committed. The whole prefix is kept and published, the torn tail cut off and counted.
 *
 * Nodes that share the folder may come upon the same file: each finds the same prefix, one publishes it, and to the others
 * it is gone.
 *
 * Whose files: a node on this machine that is no longer there; of other machines, where nobody can look, a file so old
 * that a living node would long have finished it.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { discard, HOST, type PartName, parsePartName, processBegan, publish } from './partFile.ts'
import { wholeBlocks, wholeLines } from './wholePrefix.ts'

export interface RecoveryCounts {
  /** Files published. */
  files: number
  /** Records in them. */
  records: number
  /** Bytes cut off: parts of records that were never flushed. */
  tornBytes: number
  /** Unfinished files of others that may live. */
  leftAlone: number
}

export interface RecoveryRules {
  /** Files of this process that are open. */
  readonly own: ReadonlySet<string>
  readonly nowMs: number
  /** Older than this, a file was abandoned whoever wrote it. */
  readonly abandonedAfterMs: number
  /** An unfinished file stays as it is; may throw, to end the recovery. */
  readonly onFailed: (name: string, error: unknown) => void
}

export async function recoverParts(folder: string, rules: RecoveryRules): Promise<RecoveryCounts> {
  const counts: RecoveryCounts = { files: 0, records: 0, tornBytes: 0, leftAlone: 0 }
  for (const name of await readdir(folder)) {
    const part = parsePartName(name)
    if (part === undefined || rules.own.has(name)) continue
    if (!isAbandoned(part, rules)) counts.leftAlone++
    else await recoverOne(folder, name, part, counts).catch((error: unknown) => rules.onFailed(name, error))
  }
  return counts
}

function isAbandoned(part: PartName, rules: RecoveryRules): boolean {
  const isOld = rules.nowMs - part.createdMs > rules.abandonedAfterMs
  if (part.host !== HOST) return isOld
  const began = processBegan(part.pid)
  if (began === undefined) return true
  // Where the system does not tell when a process began, another may have the id by now.
  return began === 0 || part.began === 0 ? isOld : began !== part.began
}

async function recoverOne(folder: string, name: string, part: PartName, counts: RecoveryCounts): Promise<void> {
  const file = await unlessGone(open(join(folder, name), 'r+'))
  if (file === undefined) return
  try {
    const size = (await file.stat()).size
    const whole = await (part.extension === 'avro' ? wholeBlocks(file) : wholeLines(file))
    if (whole.records > 0) {
      if (whole.bytes < size) await file.truncate(whole.bytes)
      await file.sync()
    }
    const done = whole.records > 0 ? publish(folder, name, part.finalName) : discard(folder, name)
    if ((await unlessGone(done.then(() => true))) === undefined) return
    counts.tornBytes += size - whole.bytes
    counts.files += whole.records > 0 ? 1 : 0
    counts.records += whole.records
  } finally {
    await file.close()
  }
}

/** Undefined where the file is gone: another was here first. */
async function unlessGone<T>(done: Promise<T>): Promise<T | undefined> {
  try {
    return await done
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
