/**
 * Shared snapshots in a folder that all nodes reach (a mounted share): one file each, `<partition>/<number>-<id>.snapshot`.
 *
 * Invariants: a file appears under its name when it is whole and durable, by rename, with a number above those that lie
 * there. The two of a partition that were published last are kept; what was never published is removed when the next one
 * begins.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SnapshotDamaged } from './format.ts'
import type { FoundSnapshot, SnapshotSink, SnapshotStore } from './port.ts'

const KEPT = 2
const PUBLISHED = /^\d{20}-[0-9a-f]+\.snapshot$/
const LENGTH_BYTES = 4
/** Read at a time. */
const BLOCK_BYTES = 1 << 20
/** No frame is longer, whatever a damaged length says. */
const FRAME_MOST = 4 << 20
/** Unfinished files younger than this may be another node's, which does not know yet that it lost the partition. */
const UNFINISHED_MS = 10 * 60_000

export class FolderSnapshots implements SnapshotStore {
  private readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async begin(partition: number): Promise<SnapshotSink> {
    const folder = this.folderOf(partition)
    await mkdir(folder, { recursive: true })
    await removeUnfinished(folder)
    const id = randomBytes(4).toString('hex')
    return new FolderSink(await open(partOf(folder, id), 'wx'), folder, id)
  }

  async find(partition: number): Promise<readonly FoundSnapshot[]> {
    const folder = this.folderOf(partition)
    return (await published(folder)).map((name) => ({
      name: join(folder, name),
      frames: () => framesOf(join(folder, name)),
    }))
  }

  async close(): Promise<void> {}

  private folderOf(partition: number): string {
    return join(this.folder, String(partition))
  }
}

class FolderSink implements SnapshotSink {
  private readonly file: FileHandle
  private readonly folder: string
  private readonly id: string

  constructor(file: FileHandle, folder: string, id: string) {
    this.file = file
    this.folder = folder
    this.id = id
  }

  async write(frame: Buffer): Promise<void> {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32LE(frame.length)
    await this.file.writev([length, frame])
  }

  async publish(last: Buffer): Promise<void> {
    await this.write(last)
    await this.file.sync()
    await this.file.close()
    const [newest = '0'] = await published(this.folder)
    const own = `${String(Number.parseInt(newest, 10) + 1).padStart(20, '0')}-${this.id}.snapshot`
    await rename(partOf(this.folder, this.id), join(this.folder, own))
    await syncFolder(this.folder)
    // Never its own, though others may have taken the same number meanwhile.
    const others = (await published(this.folder)).filter((name) => name !== own)
    for (const name of others.slice(KEPT - 1)) await rm(join(this.folder, name), { force: true })
  }

  async abandon(): Promise<void> {
    await this.file.close()
    await rm(partOf(this.folder, this.id), { force: true })
  }
}

/** Before it is published. */
function partOf(folder: string, id: string): string {
  return join(folder, `${id}.part`)
}

/** Names of whole files, the newest first. */
async function published(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => PUBLISHED.test(name))
    .sort()
    .reverse()
}

async function removeUnfinished(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.part'))) {
    const path = join(folder, name)
    const file = await open(path, 'r').catch(() => undefined)
    const stat = await file?.stat()
    await file?.close()
    if (stat !== undefined && Date.now() - stat.mtimeMs > UNFINISHED_MS) await rm(path, { force: true })
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  // Some shares cannot; the file itself is durable.
  await handle.sync().catch(() => {})
  await handle.close()
}

async function* framesOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r')
  try {
    let held: Buffer = Buffer.alloc(0)
    for (;;) {
      const block = Buffer.allocUnsafe(BLOCK_BYTES)
      const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, null)
      if (bytesRead === 0) break
      held = held.length === 0 ? block.subarray(0, bytesRead) : Buffer.concat([held, block.subarray(0, bytesRead)])
      let at = 0
      for (let end = endOf(held, at); end <= held.length; end = endOf(held, at)) {
        yield held.subarray(at + LENGTH_BYTES, end)
        at = end
      }
      held = held.subarray(at)
    }
    if (held.length > 0) throw new SnapshotDamaged('it is cut short')
  } finally {
    await file.close()
  }
}

/** Where the frame at `at` ends; beyond the buffer where it is not whole. */
function endOf(held: Buffer, at: number): number {
  if (held.length - at < LENGTH_BYTES) return Number.POSITIVE_INFINITY
  const length = held.readUInt32LE(at)
  if (length > FRAME_MOST) throw new SnapshotDamaged(`it says that a frame has ${length} bytes`)
  return at + LENGTH_BYTES + length
}
