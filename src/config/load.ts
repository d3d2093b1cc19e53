/**
 * Loads a configuration folder: pipeline.yaml (what is joined, the same on every node) and node.yaml (this process),
 * the second overridden by environment variables.
 *
 * How it fails: a ConfigError that lists every problem found, each with file, key and value. Nothing is accepted in
 * silence: unknown keys and what is known but not built are problems too.
 */
import { join } from 'node:path'
import { checkShape, problem, readYaml } from './check.ts'
import { withEnvironment } from './environment.ts'
import type { NodeConfig, Pipeline } from './model.ts'
import { nodeFrom, nodeOverFiles } from './node.ts'
import { type NodeFile, nodeShape } from './nodeShape.ts'
import { pipelineFrom } from './pipeline.ts'
import { pipelineShape } from './pipelineShape.ts'
import { ConfigError, type Problem } from './problem.ts'

export interface Config {
  readonly pipeline: Pipeline
  readonly node: NodeConfig
  readonly folder: string
}

/** What commands over files use. */
export interface FilesConfig {
  readonly pipeline: Pipeline
  readonly node: Pick<NodeConfig, 'memory' | 'embedded'>
}

export function loadConfig(folder: string, env: NodeJS.ProcessEnv): Config {
  const problems: Problem[] = []
  const pipeline = attempt(problems, () => loadPipeline(folder, env))
  const node = attempt(problems, () => loadNode(folder, env, pipeline?.name ?? ''))
  if (pipeline?.delivery === 'exactly-once' && node !== undefined && node.kafka === undefined) {
    const message = 'needs brokers (kafka.brokers in node.yaml): the embedded log has no transactions'
    problems.push(problem(join(folder, 'pipeline.yaml'), 'delivery', message, pipeline.delivery))
  }
  if (pipeline === undefined || node === undefined || problems.length > 0) throw new ConfigError(problems)
  return { pipeline, node, folder }
}

/** For commands over files: brokers that are missing and secrets that are not set do not matter to them. */
export function loadOverFiles(folder: string, env: NodeJS.ProcessEnv): FilesConfig {
  const problems: Problem[] = []
  const pipeline = attempt(problems, () => loadPipeline(folder, env, true))
  const node = attempt(problems, () => nodeOverFiles(readNode(folder, env)))
  if (pipeline === undefined || node === undefined) throw new ConfigError(problems)
  return { pipeline, node }
}

export function loadPipeline(folder: string, env: NodeJS.ProcessEnv, isOverFiles = false): Pipeline {
  const file = join(folder, 'pipeline.yaml')
  return pipelineFrom(checkShape(pipelineShape, readYaml(file, false), file), { file, folder, env, isOverFiles })
}

function loadNode(folder: string, env: NodeJS.ProcessEnv, pipelineName: string): NodeConfig {
  return nodeFrom(readNode(folder, env), pipelineName, { file: join(folder, 'node.yaml'), folder, env })
}

/** node.yaml may be missing: every key has a default. */
function readNode(folder: string, env: NodeJS.ProcessEnv): NodeFile {
  const file = join(folder, 'node.yaml')
  const raw = readYaml(file, true) ?? {}
  const isSection = typeof raw === 'object' && !Array.isArray(raw)
  return checkShape(nodeShape, isSection ? withEnvironment(raw, env) : raw, file)
}

function attempt<T>(problems: Problem[], load: () => T): T | undefined {
  try {
    return load()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}
