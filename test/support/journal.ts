/**
 * Journals for tests: one whose reads are disabled, to show that a test would notice; and one whose writes fail from
 * some moment on, as those of a full disk do.
 */
import { JournalError, type JournalStore, type PartitionJournal } from '../../src/journal/port.ts'

type Call = (...given: unknown[]) => unknown

const ITERATIONS: ReadonlySet<PropertyKey> = new Set(['segments', 'wakes'])
const READS: ReadonlySet<PropertyKey> = new Set(['segments', 'segment', 'wakes', 'mark', 'getUsers', 'close'])

/** Writes go through; users and segments are never found. */
export function journalWithoutReads(store: JournalStore): JournalStore {
  return wrap(store, (name, call) => {
    if (name === 'segments') return () => failingOrEmpty(null)
    if (name === 'segment') return async () => null
    if (name !== 'getUsers') return call
    return async (...given) => ((await call(...given)) as unknown[]).map(() => null)
  })
}

/** A call that writes rejects with FAILED once `failing` says so; after that, every call but `close` does. */
export function journalFailing(store: JournalStore, failing: () => boolean): JournalStore {
  let broken: JournalError | null = null
  const wrapped = wrap(store, (name, call) => (...given) => {
    if (!READS.has(name) && failing()) broken ??= new JournalError('FAILED', 'journal: a write failed: no space (test)')
    if (broken === null || name === 'close') return call(...given)
    return ITERATIONS.has(name) ? failingOrEmpty(broken) : Promise.reject(broken)
  })
  return {
    partition: (partition) => wrapped.partition(partition),
    marks: (count) => store.marks(count),
    close: () => wrapped.close(),
    movedAside: 0,
    get broken() {
      return broken
    },
  }
}

async function* failingOrEmpty(error: Error | null): AsyncIterable<never> {
  if (error) throw error
  yield* []
}

function wrap(store: JournalStore, change: (name: PropertyKey, call: Call) => Call): JournalStore {
  return {
    partition: async (partition) => wrapPartition(await store.partition(partition), change),
    marks: (count) => store.marks(count),
    close: () => store.close(),
    movedAside: store.movedAside,
    get broken() {
      return store.broken
    },
  }
}

function wrapPartition(journal: PartitionJournal, change: (name: PropertyKey, call: Call) => Call): PartitionJournal {
  return new Proxy(journal, {
    get(target, name) {
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? change(name, value.bind(target)) : value
    },
  })
}
