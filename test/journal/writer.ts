/**
 * A process that writes the history into a journal until it is killed: `writer.js FOLDER FIRST [LAST]`. It prints the
 * number of each write that was acknowledged, and the error code of one that was not.
 */
import { writeSync } from 'node:fs'
import { JournalError } from '../../src/journal/port.ts'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { emptyContents, write } from './history.ts'

const [folder, first, last = 'Infinity'] = process.argv.slice(2)
const store = await openRocksJournal({ folder, writeBufferBytes: 2 ** 17 })
const journal = await store.partition(0)
const contents = emptyContents()
try {
  for (let number = Number(first); number < Number(last); number++) {
    await write(number)(journal, contents)
    writeSync(1, `${number}\n`)
  }
} catch (error) {
  writeSync(1, `${error instanceof JournalError ? error.code : error}\n`)
  const again = await journal.mark().catch((reason) => reason)
  writeSync(1, `${again instanceof JournalError ? again.code : again}\n`)
}
await store.close()
