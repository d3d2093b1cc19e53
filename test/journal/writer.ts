/**
 * A process that writes the history into a journal until it is killed or a write fails: `writer.js FOLDER FIRST`. It
 * prints the number of each write that was acknowledged, then the error codes of the first failed write and of a read
 * after it.
 */
import { writeSync } from 'node:fs'
import { JournalError } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { emptyContents, write } from './history.ts'

const [folder, first] = process.argv.slice(2)
const store = await openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
const journal = await store.partition(0)
const contents = emptyContents()
try {
  for (let number = Number(first); ; number++) {
    await write(number)(journal, contents)
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
