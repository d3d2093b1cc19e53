/**
 * Environment variables over node.yaml: POSTVIEW_ and the key's path, upper-cased, with _ between its words:
 * `memory.inFlight` is POSTVIEW_MEMORY_IN_FLIGHT, `kafka.brokers` is POSTVIEW_KAFKA_BROKERS (a list with commas).
 *
 * A variable that is empty counts as unset. One within a section (POSTVIEW_KAFKA_...) that names no key is refused: an
 * override that does nothing is worse than an error.
 */
import { problem } from './check.ts'
import { nodeShape } from './nodeShape.ts'
import { ConfigError, isSecretKey, type Problem } from './problem.ts'
import { type ShapeKey, shapeKeys } from './shapeKeys.ts'

const PREFIX = 'POSTVIEW_'
const FILE = 'environment'

/** The variable that overrides a key of node.yaml. */
export function variableOf(path: readonly string[]): string {
  return PREFIX + path.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')
}

/** The raw content of node.yaml with the environment's values in their places. */
export function withEnvironment(raw: unknown, env: NodeJS.ProcessEnv): unknown {
  const keys = shapeKeys(nodeShape).filter((key) => !key.path.includes('*'))
  const leaves = new Map(keys.filter((key) => key.kind !== 'section').map((key) => [variableOf(key.path), key]))
  const sections = keys
    .filter((key) => key.path.length === 1 && key.kind === 'section')
    .map((key) => `${variableOf(key.path)}_`)
  const result = structuredClone(raw) as Record<string, unknown>
  const problems: Problem[] = []
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '' || !name.startsWith(PREFIX)) continue
    const key = leaves.get(name)
    if (key !== undefined) put(result, key, name, value, problems)
    else if (sections.some((section) => name.startsWith(section)))
      problems.push(problem(FILE, name, 'names no key of node.yaml'))
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return result
}

function put(target: Record<string, unknown>, key: ShapeKey, name: string, text: string, problems: Problem[]): void {
  const value = rawValue(key, name, text)
  if (value === undefined) {
    problems.push(problem(FILE, name, `must be ${key.kind === 'boolean' ? 'true or false' : 'a number'}`, text))
    return
  }
  let at = target
  for (const part of key.path.slice(0, -1)) {
    const inner = at[part]
    at = at[part] = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}
  }
  at[key.path.at(-1)!] = value
}

function rawValue(key: ShapeKey, name: string, text: string): unknown {
  if (key.kind === 'list')
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  if (key.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  // The variable is itself the reference by which the secret is read.
  if (isSecretKey(key.path.join('.')) && !/^(env|file):/.test(text)) return `env:${name}`
  if (key.kind === 'number') return Number.isFinite(Number(text)) ? Number(text) : undefined
  return text
}
