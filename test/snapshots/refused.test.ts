/** Shared snapshots that cannot be used for a commit: each is passed over with a line that says why, and the next is used. */
import { expect, test } from 'vitest'
import { ReplayProgress } from '../../src/actors/progress.ts'
import { Quarantine } from '../../src/actors/quarantine.ts'
import type { RebuildOptions, Target } from '../../src/actors/rebuild.ts'
import { SharedStart } from '../../src/actors/sharedStart.ts'
import { type Header, headerFrame } from '../../src/snapshots/format.ts'
import type { FoundSnapshot } from '../../src/snapshots/port.ts'

const TOPICS = ['views', 'clicks']
const HEADER: Header = {
  version: 1,
  id: 'abc',
  fingerprint: 'this',
  partition: 2,
  topics: TOPICS,
  offsets: [10, 20],
  neededFrom: [3, 4],
  highestMs: [1_500, 1_600],
  watermarkMs: 1_000,
  takenAtMs: 0,
}
const TARGET: Target = {
  watermarkMs: 1_000,
  offsets: [10, 25],
  neededFrom: [5, 6],
  lows: [0, 0],
  lost: [],
  quarantine: new Quarantine(TOPICS.length, 0),
}

function snapshot(name: string, header: Partial<Header>): FoundSnapshot {
  return {
    name,
    async *frames() {
      yield headerFrame({ ...HEADER, ...header })
    },
  }
}

/** The names of those that may be used, and what is told of the others. */
async function found(...snapshots: FoundSnapshot[]): Promise<{ usable: string[]; notes: object[] }> {
  const notes: object[] = []
  const store = { find: async () => snapshots, begin: () => Promise.reject(new Error()), close: async () => {} }
  const options = {
    ...{ partition: 2, topics: TOPICS, fingerprint: 'this', snapshots: { store } },
    onNote: (fields: object) => notes.push(fields),
  } as unknown as RebuildOptions
  const usable = await new SharedStart(options, TARGET, new ReplayProgress(() => 0)).find()
  return { usable: usable.map((one) => one.found.name), notes }
}

test.each<[string, Partial<Header>]>([
  ['it is of another pipeline', { fingerprint: 'that' }],
  ['it is of other sources', { topics: ['views', 'likes'] }],
  ['it is of other sources', { topics: ['views'] }],
  ['it is of other sources', { partition: 3 }],
  ['it is ahead of the commit', { offsets: [10, 26] }],
  ['it is ahead of the commit', { watermarkMs: 1_001 }],
  ['its version is 0, not 1', { version: 0 }],
])('%s: %o', async (reason, header) => {
  const { usable, notes } = await found(snapshot('other', header), snapshot('own', {}))
  expect(usable).toEqual(['own'])
  expect(notes).toEqual([expect.objectContaining({ snapshot: 'other', reason })])
})

test('what is empty, and what is no header, are told too', async () => {
  const empty: FoundSnapshot = { name: 'empty', async *frames() {} }
  const noise: FoundSnapshot = {
    name: 'noise',
    async *frames() {
      yield Buffer.alloc(40, 7)
    },
  }
  const { usable, notes } = await found(empty, noise, snapshot('own', { watermarkMs: null }))
  expect(usable).toEqual(['own'])
  expect(notes).toMatchObject([{ snapshot: 'empty' }, { snapshot: 'noise' }])
})
