import { openMemoryJournal } from '../../src/journal/memory.ts'
import { journalContract } from '../contract/journal.ts'

journalContract('the journal in memory', async () => openMemoryJournal(), { durable: false })
