/**
 * Committed offsets with their metadata: one file a group, replaced as a whole.
 *
 * Invariants:
 * 1. All entries of a commit become durable in one step, or none does; what is told as committed is durable.
 * 2. Commits that wait together share one write.
 *
 * Fails: LogError CORRUPT where a file's checksum is wrong, FAILED with what the system said on writing, TOO_LARGE
 * for metadata beyond what Kafka takes.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { crc32c } from '@node-rs/crc32'
import { z } from 'zod'
import { type CommitEntry, LogError } from '../port.ts'
import { replaceFile } from './files.ts'

/** Kafka's own default. */
const MAX_METADATA_BYTES = 4096
const MAX_NAME_BYTES = 240
const entriesShape = z.array(
  z.object({ topic: z.string(), partition: z.int().min(0), offset: z.int().min(0), metadata: z.string() }),
)

export class Commits {
  private readonly folder: string
  private readonly groups = new Map<string, Promise<GroupCommits>>()

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(folder: string): Promise<Commits> {
    await mkdir(folder, { recursive: true })
    return new Commits(folder)
  }

  group(name: string): Promise<GroupCommits> {
    let group = this.groups.get(name)
    if (group === undefined) {
      group = GroupCommits.open(this.folder, name)
      // A file that could not be read is tried again when it is asked for again.
      group.catch(() => this.groups.delete(name))
      this.groups.set(name, group)
    }
    return group
  }
}

interface Waiting {
  readonly entries: readonly CommitEntry[]
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class GroupCommits {
  private readonly folder: string
  private readonly fileName: string
  private durable: Map<string, CommitEntry>
  private waiting: Waiting[] = []
  private running = false

  private constructor(folder: string, fileName: string, durable: Map<string, CommitEntry>) {
    this.folder = folder
    this.fileName = fileName
    this.durable = durable
  }

  static async open(folder: string, group: string): Promise<GroupCommits> {
    const fileName = `${encodeURIComponent(group)}.json`
    if (Buffer.byteLength(fileName) > MAX_NAME_BYTES) throw new LogError('FAILED', 'the group has too long a name')
    return new GroupCommits(folder, fileName, await load(`${folder}/${fileName}`))
  }

  get(topic: string, partition: number): CommitEntry | undefined {
    return this.durable.get(keyOf(topic, partition))
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    for (const entry of entries) check(entry)
    return new Promise((resolve, reject) => {
      this.waiting.push({ entries, resolve, reject })
      if (!this.running) void this.run()
    })
  }

  private async run(): Promise<void> {
    this.running = true
    while (this.waiting.length > 0) {
      const group = this.waiting
      this.waiting = []
      const next = new Map(this.durable)
      for (const { entries } of group) for (const entry of entries) next.set(keyOf(entry.topic, entry.partition), entry)
      try {
        await replaceFile(this.folder, this.fileName, contentOf(next))
        this.durable = next
        for (const one of group) one.resolve()
      } catch (error) {
        const failed = new LogError('FAILED', `commit: ${(error as Error).message}`, { cause: error })
        for (const one of group) one.reject(failed)
      }
    }
    this.running = false
  }
}

function check({ topic, partition, offset, metadata }: CommitEntry): void {
  const where = `topic ${topic}, partition ${partition}`
  if (!Number.isSafeInteger(offset) || offset < 0) throw new LogError('FAILED', `${where}: ${offset} is no offset`)
  const bytes = Buffer.byteLength(metadata)
  if (bytes <= MAX_METADATA_BYTES) return
  throw new LogError('TOO_LARGE', `${where}: metadata of ${bytes} bytes is more than ${MAX_METADATA_BYTES}`)
}

/** Partitions are numbers and topics hold no space. */
function keyOf(topic: string, partition: number): string {
  return `${topic} ${partition}`
}

function contentOf(entries: ReadonlyMap<string, CommitEntry>): string {
  const text = JSON.stringify(
    [...entries.values()].map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata })),
  )
  return `${crc32c(text).toString(16)}\n${text}\n`
}

async function load(path: string): Promise<Map<string, CommitEntry>> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (content === null) return new Map()
  const [checksum, text = ''] = content.split('\n')
  if (crc32c(text).toString(16) !== checksum) {
    throw new LogError('CORRUPT', `${path}: the checksum of the committed offsets is wrong`)
  }
  const entries = entriesShape.parse(JSON.parse(text))
  return new Map(entries.map((entry) => [keyOf(entry.topic, entry.partition), entry]))
}
