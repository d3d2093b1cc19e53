/**
 * A file that is being written: under a hidden temporary name, until it is finished by fsync and rename.
 *
 * The temporary name says who writes it (machine, process, and when that process began), so that a later start can tell
 * the leftovers of a crash from the files of a living node in the same folder. The final name holds the partition, when
 * the file was begun, and a random part: nodes that share a folder never meet in a name, and names sort by time.
 *
 * Invariants:
 * 1. `sync` resolves when everything appended is on disk under a name that recovery finds.
 * 2. After a failed write or fsync nothing is written to the file again: its state is unknown, and is for recovery.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

const PART = /^\.part-(.+)-(\d+)-(\d+)-(samples-\d+-(\d+)-[0-9a-f]+\.(avro|jsonl))$/

export interface PartName {
  readonly host: string
  readonly pid: number
  /** When its process began, in the kernel's own unit; 0 where that is not known. */
  readonly began: number
  readonly finalName: string
  readonly createdMs: number
  readonly extension: 'avro' | 'jsonl'
}

export function parsePartName(name: string): PartName | undefined {
  const match = PART.exec(name)
  if (match === null) return undefined
  const [, host, pid, began, finalName, createdMs, extension] = match
  return {
    host,
    pid: Number(pid),
    began: Number(began),
    finalName,
    createdMs: Number(createdMs),
    extension: extension as 'avro' | 'jsonl',
  }
}

export const HOST = hostname().replace(/[^A-Za-z0-9.]/g, '_')

/** Killed, and not yet taken note of by its parent. */
const ENDED = new Set(['Z', 'X'])

/** When a process began, or 0 where the system does not tell; undefined where there is no such process. */
export function processBegan(pid: number): number | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  try {
    // The name of the program, in parentheses, may hold blanks. After it: its state, and 19 fields on its start time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ENDED.has(fields[0]) ? undefined : Number(fields[19])
  } catch {
    return 0
  }
}

const SELF = `${HOST}-${process.pid}-${processBegan(process.pid) ?? 0}`

export class PartFile {
  sizeBytes = 0
  readonly name: string
  private readonly folder: string
  private readonly finalName: string
  private readonly handle: FileHandle
  private unsyncedBytes = 0
  private isNamed = false

  static async create(
    folder: string,
    partition: number,
    extension: 'avro' | 'jsonl',
    nowMs: number,
  ): Promise<PartFile> {
    const finalName = `samples-${partition}-${nowMs}-${randomBytes(4).toString('hex')}.${extension}`
    const name = `.part-${SELF}-${finalName}`
    return new PartFile(folder, name, finalName, await open(join(folder, name), 'wx'))
  }

  private constructor(folder: string, name: string, finalName: string, handle: FileHandle) {
    this.folder = folder
    this.name = name
    this.finalName = finalName
    this.handle = handle
  }

  async append(bytes: Buffer): Promise<void> {
    this.unsyncedBytes += bytes.length
    let at = 0
    while (at < bytes.length) {
      const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at, this.sizeBytes + at)
      at += bytesWritten
    }
    this.sizeBytes += bytes.length
  }

  async sync(): Promise<void> {
    if (this.unsyncedBytes > 0) await this.handle.sync()
    this.unsyncedBytes = 0
    if (!this.isNamed) await syncFolder(this.folder)
    this.isNamed = true
  }

  /** The file becomes visible under its final name. */
  async finish(): Promise<void> {
    await this.sync()
    await this.handle.close()
    await publish(this.folder, this.name, this.finalName)
  }

  /** Leaves the file as it lies. */
  async abandon(): Promise<void> {
    await this.handle.close()
  }
}

export async function publish(folder: string, name: string, finalName: string): Promise<void> {
  await rename(join(folder, name), join(folder, finalName))
  await syncFolder(folder)
}

export async function discard(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name))
  await syncFolder(folder)
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
