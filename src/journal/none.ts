/**
 * No journal: keeps nothing and knows nothing, so that every start and every restart of an actor replays the log. State
 * must then fit memory. `journal: false` in node.yaml; also what proves that the disk is a cache.
 */
import { type JournalStore, noCounts, type PartitionJournal } from './port.ts'

export function openNoJournal(): JournalStore {
  return {
    partition: async () => noPartitionJournal(),
    marks: async (count) => Array.from({ length: count }, () => null),
    close: async () => {},
    broken: null,
    movedAside: 0,
  }
}

async function* none(): AsyncIterable<never> {}

export function noPartitionJournal(): PartitionJournal {
  const done = async (): Promise<void> => {}
  return {
    mark: async () => null,
    trim: done,
    append: done,
    segments: none,
    segment: async () => null,
    cut: done,
    putUsers: () => Promise.reject(new Error('there is no journal to move state to')),
    getUsers: async (keys) => keys.map(() => null),
    deleteUsers: done,
    awaken: done,
    wakeDone: done,
    wakes: none,
    nextDueMs: Number.POSITIVE_INFINITY,
    clear: done,
    counts: noCounts(),
    close: done,
  }
}
