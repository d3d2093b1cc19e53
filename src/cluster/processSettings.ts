/**
 * Settings that pay and that a process cannot change once it runs: of V8's heap and of glibc's (docs/PERFORMANCE.md says
 * what each brings). What the user set himself stands.
 *
 * - Young generation: what a batch leaves behind is dead at once, so that a larger one only costs memory.
 * - Memory of 128 KiB and more is mapped by itself and goes back when it is freed; glibc would raise that limit with the
 *   first buffer that it sees, and keep the holes.
 * - Two arenas: the threads of RocksDB and of the pool would have one each.
 */
const YOUNG = '--max-semi-space-size=8'
/** As V8 takes it: with either dash, and with a least size beside the most. */
const YOUNG_GIVEN = /--(max|min)[-_]semi[-_]space[-_]size/
const MAP_FROM = 'MALLOC_MMAP_THRESHOLD_'
const ARENAS = 'MALLOC_ARENA_MAX'

export interface ProcessSettings {
  readonly execArgv: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** Of a node's process, above those that are there. */
export function nodeSettings({ execArgv, env }: ProcessSettings): ProcessSettings {
  return {
    execArgv: isYoungGiven({ execArgv, env }) ? execArgv : [...execArgv, YOUNG],
    env: { [MAP_FROM]: String(128 << 10), [ARENAS]: '2', ...env },
  }
}

function isYoungGiven({ execArgv, env }: ProcessSettings): boolean {
  return [...execArgv, env.NODE_OPTIONS ?? ''].some((text) => YOUNG_GIVEN.test(text))
}

interface Executing {
  /** Since Node 22.15. On Windows, and where permissions forbid it, it throws. */
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): never
}

/**
 * Begins the process anew as `program` with a node's settings, in place: the same pid, the same files, nobody in between.
 * Where some are there already, it runs as it is: so it begins anew once, whatever the system makes of the environment.
 * So it does where Node cannot, and where a channel to a parent would be lost, who would see it as an end.
 */
export function beginAnew(process: NodeJS.Process, program: string): void {
  const { execve } = process as Executing
  if (execve === undefined || process.channel !== undefined) return
  if (isYoungGiven(process) || process.env[MAP_FROM] !== undefined) return
  const { execArgv, env } = nodeSettings(process)
  try {
    execve.call(process, process.execPath, [process.execPath, ...execArgv, program, ...process.argv.slice(2)], env)
  } catch {
    // It runs as it is.
  }
}
