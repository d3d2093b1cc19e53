/**
 * Loads a configuration for commands that run a node, or say whether one could: beyond what loading checks, each sample
 * schema that a sink names must be the one that the pipeline makes.
 *
 * How it fails: a ConfigError with the file and the first difference; a RegistryError where the views' schema is a
 * registry's that cannot be asked.
 */
import { join } from 'node:path'
import { sampleSchema } from '../codec/sample.ts'
import { schemaDifference } from '../codec/schemaDifference.ts'
import { viewSchemaOf } from '../codec/source.ts'
import { problem } from '../config/check.ts'
import { type Config, loadConfig } from '../config/load.ts'
import type { AvroSchema } from '../config/model.ts'
import { ConfigError } from '../config/problem.ts'

const MAX_SHOWN_CHARACTERS = 100

export async function loadToRun(folder: string, env: NodeJS.ProcessEnv): Promise<Config> {
  const config = loadConfig(folder, env)
  const { sampleSchemas, sources } = config.pipeline
  if (sampleSchemas.length === 0) return config
  const made = sampleSchema(config.pipeline, await viewSchemaOf(sources[0]))
  const problems = sampleSchemas.flatMap(({ key, schema, schemaFile }) => {
    const message = otherThan(made, schema)
    return message === undefined ? [] : [problem(join(folder, 'pipeline.yaml'), key, message, schemaFile)]
  })
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

function otherThan(made: AvroSchema, named: AvroSchema): string | undefined {
  const difference = schemaDifference(made, named)
  if (difference === undefined) return undefined
  const { where, wanted, found } = difference
  return `is not the schema of this pipeline's samples: ${where === '' ? 'it' : where} is ${shown(found)} and would be ${shown(wanted)}; \`postview schema\` prints it`
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, MAX_SHOWN_CHARACTERS)
}
