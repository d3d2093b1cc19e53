/**
 * Generated events to a folder, as JSON lines in their order of arrival: views.jsonl and engagements.jsonl. Where there
 * are several engagement sources, each has its file: engagements-<topic>.jsonl, by its first topic.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Pipeline, Source } from '../config/model.ts'
import type { GeneratedEvent } from './event.ts'
import { RecordMaker } from './record.ts'
import type { Target } from './target.ts'

/** Text lines to one file, held back while it cannot take more. */
export class LineFile {
  private readonly stream: WriteStream
  private failure: Error | undefined

  constructor(path: string) {
    this.stream = createWriteStream(path)
    this.stream.on('error', (error) => {
      this.failure = error
    })
  }

  write(line: string): Promise<void> | undefined {
    if (this.failure !== undefined) throw this.failure
    if (this.stream.write(`${line}\n`)) return undefined
    return new Promise((resolve, reject) => {
      const done = () => {
        this.stream.off('drain', done).off('error', done)
        if (this.failure === undefined) resolve()
        else reject(this.failure)
      }
      this.stream.once('drain', done).once('error', done)
    })
  }

  async close(): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.stream.end()
    await finished(this.stream)
  }
}

export class FilesTarget implements Target {
  readonly partitions: number
  private readonly makers: readonly RecordMaker[]
  private readonly files: readonly LineFile[]
  /** By source: topics of one section have a file in common. */
  private readonly fileOf: readonly LineFile[]

  static async open(folder: string, pipeline: Pipeline, seed: number, partitions: number): Promise<FilesTarget> {
    await mkdir(folder, { recursive: true })
    return new FilesTarget(folder, pipeline, seed, partitions)
  }

  private constructor(folder: string, pipeline: Pipeline, seed: number, partitions: number) {
    this.partitions = partitions
    this.makers = pipeline.sources.map((source) => new RecordMaker(source, seed))
    const { sources, sections } = pipeline
    this.files = sections.map(([first]) => new LineFile(join(folder, fileName(sources[first], pipeline))))
    this.fileOf = sources.map((_, index) => this.files[sections.findIndex((section) => section.includes(index))])
  }

  send(source: number, event: GeneratedEvent): Promise<void> | undefined {
    return this.fileOf[source].write(this.makers[source].json(event))
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()))
  }
}

function fileName(source: Source, pipeline: Pipeline): string {
  if (source.role === 'views') return 'views.jsonl'
  return pipeline.sections.length === 2 ? 'engagements.jsonl' : `engagements-${source.topic}.jsonl`
}
