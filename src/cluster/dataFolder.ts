/**
 * A node's data folder is its own: one process at a time has it, whatever lies in it (log/embedded/lock.ts).
 *
 * How it fails: LogError LOCKED, with what to do instead.
 */
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type FolderLock, lockFolder } from '../log/embedded/lock.ts'
import { LogError } from '../log/port.ts'

export async function takeDataFolder(dataDir: string): Promise<FolderLock> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true })
  try {
    return await lockFolder(folder)
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOCKED') throw error
    const hint = 'a further node needs a dataDir of its own, or is one of --nodes'
    throw new LogError('LOCKED', `dataDir: ${error.message}; ${hint}`, { cause: error })
  }
}
