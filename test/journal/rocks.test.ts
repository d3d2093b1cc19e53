import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openRocksJournal } from '../../src/journal/rocks.ts'
import { journalContract } from '../contract/journal.ts'

let parent = ''
let folders = 0
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'postview-journal-'))
})
afterAll(() => rm(parent, { recursive: true, force: true }))

journalContract(
  'the journal on RocksDB',
  (folder = `contract-${folders++}`) => openRocksJournal({ folder: join(parent, folder), writeBufferBytes: 2 ** 18 }),
  { durable: true },
)
