/**
 * A process that writes the history into a journal until it is killed or a write fails: `writer.js FOLDER FIRST
 * KINDS`. With kinds of write that fill no log files, another partition fills them. It prints the number of each write that was acknowledged, then the error codes of the first failed write and of a read
 * after it.
 */
import { writeSync } from 'node:fs'
import { JournalError } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { emptyContents, type Kinds, write } from './history.ts'

const [folder, first, kinds] = process.argv.slice(2)
const store = await openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
const journal = await store.partition(0)
const other = await store.partition(1)
const contents = emptyContents()
try {
  for (let number = Number(first); ; number++) {
    await write(number, kinds as Kinds)(journal, contents)
    if (kinds !== 'all') await other.append(number, Buffer.alloc(8000, number))
    writeSync(1, `${number}\n`)
  }
} catch (error) {
  writeSync(1, `${codeOf(error)}\n`)
  writeSync(1, `${await journal.mark().catch(codeOf)}\n`)
}
await store.close()

function codeOf(error: unknown): string {
  return error instanceof JournalError ? error.code : String(error)
}
