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
import { nodeFrom } from './node.ts'
import { nodeShape } from './nodeShape.ts'
import { pipelineFrom } from './pipeline.ts'
import { pipelineShape } from './pipelineShape.ts'
import { ConfigError, type Problem } from './problem.ts'

export interface Config {
  readonly pipeline: Pipeline
  readonly node: NodeConfig
  readonly folder: string
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

export function loadPipeline(folder: string, env: NodeJS.ProcessEnv): Pipeline {
  const file = join(folder, 'pipeline.yaml')
  return pipelineFrom(checkShape(pipelineShape, readYaml(file, false), file), { file, folder, env })
}

/** node.yaml may be missing: every key has a default. */
function loadNode(folder: string, env: NodeJS.ProcessEnv, pipelineName: string): NodeConfig {
  const file = join(folder, 'node.yaml')
  const raw = readYaml(file, true) ?? {}
  if (typeof raw === 'object' && !Array.isArray(raw)) {
    return nodeFrom(checkShape(nodeShape, withEnvironment(raw, env), file), pipelineName, { file, folder, env })
  }
  return nodeFrom(checkShape(nodeShape, raw, file), pipelineName, { file, folder, env })
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
