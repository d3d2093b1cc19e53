/**
 * Keeps two processes off one folder.
 *
 * Owns: a file named for this process by its number and start time (numbers repeat, the pair does not).
 * Whoever wants the folder first makes its own file and then looks for others', so that of two who come at once at
 * least one sees the other, and neither mistakes a lock for stale: a dead process's name never comes alive again.
 *
 * Fails: LogError LOCKED with the folder and the number of the process that has it. Two who come at the very same
 * moment may both be refused. Processes on other machines or in other process namespaces cannot be seen.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { LogError } from '../port.ts'

const LOCK_NAME = /^lock\.(\d+)\.([0-9a-f]{16})$/
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'

export interface FolderLock {
  release(): Promise<void>
}

export async function lockFolder(folder: string): Promise<FolderLock> {
  const { pid } = process
  const name = `lock.${pid}.${birthOf(pid)}`
  const path = `${folder}/${name}`
  try {
    await (await open(path, 'wx')).close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw locked(folder, pid)
    throw error
  }
  const release = () => rm(path, { force: true })
  try {
    await clearOthers(folder, name)
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}

/** Removes the locks of processes that are no more; throws if one lives. */
async function clearOthers(folder: string, own: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid, birth] = LOCK_NAME.exec(name) ?? []
    if (pid === undefined || name === own) continue
    if (birthOf(Number(pid)) === birth) throw locked(folder, Number(pid))
    await rm(`${folder}/${name}`, { force: true })
  }
}

function locked(folder: string, pid: number): LogError {
  return new LogError('LOCKED', `the folder ${folder} is in use by process ${pid}; one process at a time may have it`)
}

/** What tells a process from any other that had or will have its number; null if there is none now. */
function birthOf(pid: number): string | null {
  const text = existsSync(BOOT_ID_FILE) ? birthOnLinux(pid) : birthByPs(pid)
  return text === null ? null : createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function birthOnLinux(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The second field, the program's name, may hold anything; fields are counted from its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startedTicks] = [fields[0], fields[19]]
  if (state === 'Z' || state === 'X') return null
  return `${readFileSync(BOOT_ID_FILE, 'utf8').trim()} ${startedTicks}`
}

function birthByPs(pid: number): string | null {
  try {
    const environment = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { env: environment, encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}
