/**
 * A node's data folder is its own: one process at a time has it, whatever lies in it (log/embedded/lock.ts). It has a
 * name of its own, made once: what bears it elsewhere (a member of the group) was this node in an earlier process, which
 * is dead.
 *
 * How it fails: LogError LOCKED, with what to do instead.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type FolderLock, lockFolder } from '../log/embedded/lock.ts'
import { LogError } from '../log/port.ts'

const NAME_FILE = 'folder-name'

export interface DataFolder extends FolderLock {
  readonly name: string
}

export async function takeDataFolder(dataDir: string): Promise<DataFolder> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true })
  const held = await lock(folder)
  return { ...held, name: await nameOf(folder) }
}

async function lock(folder: string): Promise<FolderLock> {
  try {
    return await lockFolder(folder)
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOCKED') throw error
    const hint = 'a further node needs a dataDir of its own, or is one of --nodes'
    throw new LogError('LOCKED', `dataDir: ${error.message}; ${hint}`, { cause: error })
  }
}

async function nameOf(folder: string): Promise<string> {
  const path = join(folder, NAME_FILE)
  const found = await readFile(path, 'utf8').catch(() => '')
  if (found !== '') return found
  const name = randomUUID()
  await writeFile(`${path}.new`, name)
  await rename(`${path}.new`, path)
  return name
}
