/**
 * Settings that pay and that a process cannot change once it runs: of V8's heap and of glibc's (docs/PERFORMANCE.md says
 * what each brings). What the user set himself stands.
 *
 * - Young generation: what a batch leaves behind is dead at once, so that a larger one only costs memory.
 * - Memory of 128 KiB and more is mapped by itself and goes back when it is freed; glibc would raise that limit with the
 *   first buffer that it sees, and keep the holes.
 * - Two arenas: the threads of RocksDB and of the pool would have one each.
 */
const SEMI_SPACE = '--max-semi-space-size'
const SEMI_SPACE_MIB = 8
const MAP_FROM = 'MALLOC_MMAP_THRESHOLD_'
const ARENAS = 'MALLOC_ARENA_MAX'

export interface ProcessSettings {
  readonly execArgv: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** Of a node's process, above those that are there. */
export function nodeSettings({ execArgv, env }: ProcessSettings): ProcessSettings {
  const isSet = [...execArgv, env.NODE_OPTIONS ?? ''].some((text) => text.includes(SEMI_SPACE))
  return {
    execArgv: isSet ? execArgv : [...execArgv, `${SEMI_SPACE}=${SEMI_SPACE_MIB}`],
    env: { [MAP_FROM]: String(128 << 10), [ARENAS]: '2', ...env },
  }
}

interface Executing {
  /** Since Node 22.15; never on Windows. */
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): never
}

/**
 * Begins the process anew as `program` with a node's settings, in place: the same pid, the same files, nobody in between.
 * Does nothing where they are there already, and where Node cannot (before 22.15): it runs as it is.
 */
export function beginAnew(process: NodeJS.Process, program: string): void {
  const { execve } = process as Executing
  if (execve === undefined || process.env[MAP_FROM] !== undefined) return
  const { execArgv, env } = nodeSettings(process)
  execve.call(process, process.execPath, [process.execPath, ...execArgv, program, ...process.argv.slice(2)], env)
}
