/**
 * The join over files: the same partition, codecs and rules as live, with files where topics were.
 *
 * Owns: a temporary folder beside the output, for the output while it is unfinished and for state beyond memory.
 * Invariant: the output appears under its name when it is whole, by rename; at the end of input everything is sealed.
 *
 * How it fails: a file that cannot be read (further) ends it with an error, and no output appears.
 */
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { start as startSystem } from 'nact'
import type { Outlets } from '../actors/output.ts'
import { Partition } from '../actors/partition.ts'
import { Quarantine } from '../actors/quarantine.ts'
import { rulesOf } from '../cluster/rules.ts'
import type { SourceReader } from '../codec/port.ts'
import { openSampleEncoder, sampleSchema } from '../codec/sample.ts'
import { openSourceReader, viewSchemaOf } from '../codec/source.ts'
import type { FilesConfig } from '../config/load.ts'
import type { Format, Pipeline, SampleFormat, Source } from '../config/model.ts'
import { type EventFile, openEventFile } from '../files/open.ts'
import { select, type Where } from '../files/where.ts'
import { newLedger } from '../join/ledger.ts'
import { openRocksJournal } from '../journal/rocks.ts'
import { FileSink } from '../sinks/file.ts'
import { LinesOutlet, nowhere, type SideOutlet } from '../sinks/lines.ts'
import { systemClock } from '../time/clock.ts'

export interface InputFile {
  readonly path: string
  readonly columns?: readonly string[]
  readonly where?: Where
}

export interface BackfillOptions {
  readonly config: FilesConfig
  /** One for each section of the pipeline's sources, whatever its topics: the views, then the engagements. */
  readonly inputs: readonly InputFile[]
  /** Ends in .avro or .jsonl. */
  readonly out: string
  /** Where late, orphaned and bad records are written; only counted where it is not given. */
  readonly sideFolder?: string
  /** Told of all files together. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void
}

export interface BackfillResult {
  readonly ledger: Float64Array
  /** Rows that were not well-formed, with their reasons; they are among the refused. */
  readonly problems: readonly string[]
}

/** Chunks of a source that wait in the partition; the next is read when there are fewer. */
const INBOX_BYTES = 1 << 20
/** State that no longer changes may leave memory only behind a commit: here a file's progress is one. */
const SETTLE_EVERY_CHUNKS = 16

export async function runBackfill(options: BackfillOptions): Promise<BackfillResult> {
  const out = resolve(options.out)
  await mkdir(dirname(out), { recursive: true })
  const folder = await mkdtemp(join(dirname(out), `.${basename(out)}-`))
  try {
    return await new Backfill(options, out, folder).run()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

class Backfill {
  private readonly options: BackfillOptions
  private readonly out: string
  private readonly folder: string
  /** By input. */
  private readonly sources: readonly Source[]
  private files: readonly EventFile[] = []
  private readonly waiting: ((value: void) => void)[][] = []
  private readonly paused: boolean[] = []
  private partition!: Partition
  private chunks = 0
  private failure: Error | undefined

  constructor(options: BackfillOptions, out: string, folder: string) {
    this.options = options
    this.out = out
    this.folder = folder
    const { sections, sources } = options.config.pipeline
    this.sources = sections.map(([first]) => sources[first])
  }

  async run(): Promise<BackfillResult> {
    const files = await Promise.all(this.options.inputs.map((input, source) => this.openInput(input, source)))
    this.files = files
    const pipeline = this.pipelineOf(files)
    const { limits } = pipeline
    const readers = await Promise.all(pipeline.sources.map((source) => openSourceReader(source, limits)))
    const sink = await this.openSink(pipeline)
    const encoder = await openSampleEncoder(pipeline, this.format(), readers[0], limits)
    const sides = await this.openSides()
    const journal = await openRocksJournal({ folder: join(this.folder, 'journal') })
    const outlets = { samples: [{ encoder, sinks: [sink] }], ...sides }
    this.partition = await this.build(pipeline, readers, outlets, await journal.partition(0))
    await Promise.all(files.map((file, source) => this.feed(file, source, readers[source])))
    await this.drain()
    if (this.failure !== undefined) throw this.failure
    await this.partition.finish()
    await this.partition.stop()
    await journal.close()
    await sink.close()
    for (const side of Object.values(sides)) if (side instanceof LinesOutlet) await side.close()
    await this.publish()
    const problems = files.flatMap(({ problems: { first } }, source) =>
      first.map(
        ({ line, record, reason }) =>
          `${this.options.inputs[source].path}: ${line > 0 ? `line ${line}` : `record ${record}`}: ${reason}`,
      ),
    )
    return { ledger: this.partition.state.ledger, problems }
  }

  private async openInput(input: InputFile, source: number): Promise<EventFile> {
    const spec = this.sources[source]
    const schema = 'schema' in spec.format ? spec.format.schema : undefined
    const { limits } = this.options.config.pipeline
    const options = {
      columns: input.columns,
      topic: spec.topic,
      fields: spec.fields,
      maxRecordBytes: limits.recordBytes,
    }
    return openEventFile(input.path, { ...options, schema })
  }

  /** The pipeline as configured, with each source in the format of its file. */
  private pipelineOf(files: readonly EventFile[]): Pipeline {
    const sources = files.map((file, i): Source => ({ ...this.sources[i], format: formatOf(this.sources[i], file) }))
    return { ...this.options.config.pipeline, sources, sections: sources.map((_, i) => [i]) }
  }

  private format(): SampleFormat {
    return extname(this.out) === '.avro' ? { type: 'avro' } : { type: 'json' }
  }

  private async openSink(pipeline: Pipeline): Promise<FileSink> {
    return FileSink.open({
      folder: join(this.folder, 'samples'),
      format: extname(this.out) === '.avro' ? 'avro' : 'jsonl',
      schema: sampleSchema(pipeline, await viewSchemaOf(pipeline.sources[0])),
      compression: 'deflate',
      rollBytes: Number.POSITIVE_INFINITY,
      rollEveryMs: Number.POSITIVE_INFINITY,
    })
  }

  private async openSides(): Promise<Omit<Outlets, 'samples'>> {
    const folder = this.options.sideFolder
    if (folder === undefined) return { late: nowhere, orphans: nowhere, deadLetters: nowhere }
    await mkdir(folder, { recursive: true })
    const lines = (name: string): SideOutlet => new LinesOutlet(join(folder, `${name}.jsonl`))
    return { late: lines('late'), orphans: lines('orphans'), deadLetters: lines('dead-letters') }
  }

  private async build(
    pipeline: Pipeline,
    readers: readonly SourceReader[],
    outlets: Outlets,
    journal: Awaited<ReturnType<Awaited<ReturnType<typeof openRocksJournal>>['partition']>>,
  ): Promise<Partition> {
    const { memory } = this.options.config.node
    const topics = pipeline.sources.map((source) => source.topic)
    const partition = new Partition({
      partition: 0,
      partitions: 1,
      rules: rulesOf({ pipeline }),
      topics,
      readers,
      outlets,
      system: startSystem(),
      clock: systemClock,
      inboxBytes: INBOX_BYTES,
      alignWithinMs: pipeline.time.alignWithinMs,
      outputBytes: memory.outputBytes,
      actorBytes: memory.actorBytes,
      stateBytes: memory.stateBytes,
      journal,
      fingerprint: pipeline.fingerprint,
      commitSoon: () => void this.settle(),
      readLog: () => {
        throw new Error('a file is not read again')
      },
      pause: (source) => {
        this.paused[source] = true
      },
      resume: (source) => {
        this.paused[source] = false
        for (const go of this.waiting[source]?.splice(0) ?? []) go()
      },
      onFailed: (error) => this.fail(error),
      onTrouble: () => {},
    })
    const start = { offset: 0, highestMs: Number.NEGATIVE_INFINITY, neededFrom: 0 }
    const sources = new Map(topics.map((topic) => [topic, start]))
    const position = { watermarkMs: Number.NEGATIVE_INFINITY, sources, deadLettersFrom: 0, ledger: [...newLedger()] }
    partition.begin(position, new Map(topics.map((topic) => [topic, 0])))
    await partition.restore(new Quarantine(topics.length, 0))
    return partition
  }

  private async feed(file: EventFile, source: number, reader: SourceReader): Promise<void> {
    const { where } = this.options.inputs[source]
    const wanted = where === undefined ? undefined : { where, reader: await this.readerOfRows(file, source, reader) }
    let end = 0
    for await (const chunk of file.chunks) {
      if (this.failure !== undefined) break
      end = chunk.nextOffset
      this.partition.offer(source, {
        ...(wanted === undefined ? chunk : select(chunk, wanted.where, wanted.reader)),
        highWatermark: end + 1,
      })
      this.tellProgress()
      if (++this.chunks % SETTLE_EVERY_CHUNKS === 0) await this.settle()
      if (this.paused[source]) await new Promise<void>((resolve) => (this.waiting[source] ??= []).push(resolve))
    }
    // The source has ended: it holds nobody back any more.
    this.partition.ended(source, end)
    await this.partition.tick()
  }

  private tellProgress(): void {
    const sum = (of: (file: EventFile) => number): number => this.files.reduce((bytes, file) => bytes + of(file), 0)
    this.options.onProgress?.(
      sum((file) => file.bytesRead()),
      sum((file) => file.bytesTotal),
    )
  }

  /** Rows of text are JSON, whatever schema the source has for them; a container's are read as the join reads them. */
  private async readerOfRows(file: EventFile, source: number, reader: SourceReader): Promise<SourceReader> {
    if (file.schema !== undefined) return reader
    return openSourceReader({ ...this.sources[source], format: { type: 'json' } }, this.options.config.pipeline.limits)
  }

  /** Everything read is joined; where memory is short, what is left waits for a settlement. */
  private async drain(): Promise<void> {
    await this.partition.drained()
    while (this.failure === undefined && this.partition.bufferedBytes > 0) {
      await this.settle()
      await this.partition.drained()
    }
  }

  private async settle(): Promise<void> {
    const capture = await this.partition.capture()
    await this.partition.acknowledged(capture)
  }

  private fail(error: Error): void {
    this.failure ??= error
    for (const waiting of this.waiting) for (const go of waiting?.splice(0) ?? []) go()
  }

  private async publish(): Promise<void> {
    const [name] = (await readdir(join(this.folder, 'samples'))).filter((file) => file.startsWith('samples-'))
    if (name === undefined) throw new Error('no view was found: there is no sample to write')
    await rename(join(this.folder, 'samples', name), this.out)
  }
}

function formatOf(source: Source, file: EventFile): Format {
  if (file.schema !== undefined) return { type: 'avro', schema: file.schema, schemaFile: 'the file itself' }
  const declared = source.format.type === 'json' && source.format.schema !== undefined ? source.format : undefined
  return declared ?? { type: 'json' }
}
