/**
 * Opening the journal's folder. It ends in one of four ways: open; LOCKED (another process, or this one, has it open);
 * FAILED (no space, no permission, no folder: what a person must mend); or, for anything else, the folder is taken for
 * damaged and moved aside under a name beside it, of which one is kept for looking at, and an empty one begun: the
 * journal is a cache.
 */
import { existsSync, statSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DAMAGE_NOTE, Database, isFromOutside, reasonOf } from './database.ts'
import { JournalError } from './port.ts'

export interface JournalLogger {
  warn(fields: Record<string, unknown>, message: string): void
}

export interface OpenedDatabase {
  readonly database: Database
  readonly movedAside: number
}

/** RocksDB says so of its LOCK file, whoever holds it. */
const LOCK_HELD = /lock hold by current process|while lock file/i

export async function openDatabase(
  folder: string,
  writeBufferBytes: number,
  logger?: JournalLogger,
): Promise<OpenedDatabase> {
  let reason = existsSync(join(folder, DAMAGE_NOTE)) ? 'an earlier run found damage in it' : null
  if (reason === null) {
    try {
      return { database: await Database.open(folder, writeBufferBytes), movedAside: 0 }
    } catch (error) {
      reason = damageIn(folder, error)
    }
  }
  const aside = await moveAside(folder)
  logger?.warn({ folder, aside, reason }, 'the journal is damaged: moved aside, beginning an empty one')
  try {
    return { database: await Database.open(folder, writeBufferBytes), movedAside: 1 }
  } catch (error) {
    throw new JournalError('FAILED', `journal: cannot open ${folder}: ${reasonOf(error)}`, { cause: error })
  }
}

/** The reason to move the folder aside; throws where there is none to. */
function damageIn(folder: string, error: unknown): string {
  const reason = reasonOf(error)
  if (LOCK_HELD.test(reason)) {
    throw new JournalError('LOCKED', `journal: ${folder} is open already, in another process or in this one`, {
      cause: error,
    })
  }
  if (isFromOutside(error) || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new JournalError('FAILED', `journal: cannot open ${folder}: ${reason}`, { cause: error })
  }
  return reason
}

async function moveAside(folder: string): Promise<string> {
  const parent = dirname(folder)
  const prefix = `${basename(folder)}.damaged-`
  const old = (await readdir(parent)).filter((name) => name.startsWith(prefix))
  const numbers = old.map((name) => Number(name.slice(prefix.length))).filter(Number.isSafeInteger)
  const aside = join(parent, `${prefix}${Math.max(0, ...numbers) + 1}`)
  try {
    for (const name of old) await rm(join(parent, name), { recursive: true, force: true })
    await rename(folder, aside)
  } catch (error) {
    throw new JournalError('FAILED', `journal: cannot move ${folder} aside: ${reasonOf(error)}`, { cause: error })
  }
  return aside
}
