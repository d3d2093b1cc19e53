/** `postview schema`: the Avro schema of the samples that a pipeline makes. */
import type { Command } from 'commander'
import { sampleSchema } from '../codec/sampleSchema.ts'
import { loadPipeline } from '../config/load.ts'
import type { AvroSchema, Registry, Source } from '../config/model.ts'

const TIMEOUT_MS = 10_000

export function addSchema(program: Command): void {
  program
    .command('schema')
    .description("print the samples' Avro schema")
    .option('--config <folder>', 'configuration folder', 'config')
    .action(async (options: { config: string }) => {
      const pipeline = loadPipeline(options.config, process.env)
      const schema = sampleSchema(pipeline, await viewSchema(pipeline.sources[0]))
      process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`)
    })
}

/** Null for JSON without a schema. With a registry, what is newest there: samples nest each writer's own. */
async function viewSchema({ format, topic }: Source): Promise<AvroSchema | null> {
  if ('registry' in format) return newestSchema(format.registry, topic)
  return format.schema ?? null
}

async function newestSchema(registry: Registry, topic: string): Promise<AvroSchema> {
  const subject = `${topic}-value`
  const url = `${registry.url.replace(/\/+$/, '')}/subjects/${encodeURIComponent(subject)}/versions/latest`
  const credentials = `${registry.username ?? ''}:${registry.password ?? ''}`
  const headers: Record<string, string> =
    registry.username === undefined ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  let response: Response
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (error) {
    throw new Error(`the schema registry ${registry.url} does not answer: ${(error as Error).message}`)
  }
  if (!response.ok) throw new Error(`the schema registry ${registry.url} answers ${response.status} for ${subject}`)
  const { schema } = (await response.json()) as { schema: string }
  return JSON.parse(schema) as AvroSchema
}
