/** What every store of shared snapshots must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFrame, endFrame, headerFrame, newId, USERS } from '../../src/snapshots/format.ts'
import type { FoundSnapshot, SnapshotStore } from '../../src/snapshots/port.ts'

export interface OpenedStore {
  readonly store: SnapshotStore
  close(): Promise<void>
}

async function framesOf(count: number, text: string, offset = 0): Promise<Buffer[]> {
  const id = newId()
  const header = {
    id,
    fingerprint: text,
    partition: 0,
    topics: ['views'],
    offsets: [offset],
    neededFrom: [offset],
    highestMs: [null],
    watermarkMs: null,
    takenAtMs: 0,
  }
  const frames = [headerFrame(header)]
  for (let k = 1; k <= count; k++) frames.push(await dataFrame(id, USERS, k, Buffer.from(`${text} ${k}`.repeat(1000))))
  return [...frames, endFrame(id, count + 1, { frames: count + 1, users: 0, views: 0 })]
}

async function put(store: SnapshotStore, partition: number, frames: readonly Buffer[]): Promise<void> {
  const sink = await store.begin(partition)
  for (const frame of frames.slice(0, -1)) await sink.write(frame)
  await sink.publish(frames.at(-1)!)
}

async function read(found: FoundSnapshot): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for await (const frame of found.frames()) frames.push(Buffer.from(frame))
  return frames
}

/** `open` gives a store with at least four partitions, of which nothing is known yet. */
export function snapshotContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the contract of shared snapshots: ${name}`, () => {
    let opened: OpenedStore
    let store: SnapshotStore

    beforeAll(async () => {
      opened = await open()
      store = opened.store
    })

    afterAll(() => opened.close())

    it('knows of none where none was published', async () => {
      expect(await store.find(0)).toEqual([])
    })

    it('gives back what was published, frame by frame, and the last two, the newest first', async () => {
      const all = await Promise.all([3, 40, 2, 1].map((count, k) => framesOf(count, `snapshot ${k}`)))
      for (const [k, frames] of all.entries()) {
        await put(store, 1, frames)
        const found = await store.find(1)
        expect(found.length).toBe(Math.min(k + 1, 2))
        expect(await read(found[0])).toEqual(frames)
        if (k > 0) expect(await read(found[1])).toEqual(all[k - 1])
      }
    })

    it('shows nothing of what was never published, and what was before it stays', async () => {
      const [first, torn, next] = await Promise.all([5, 6, 7].map((count) => framesOf(count, `of ${count}`)))
      await put(store, 2, first)
      const sink = await store.begin(2)
      for (const frame of torn.slice(0, 4)) await sink.write(frame)
      expect(await Promise.all((await store.find(2)).map(read))).toEqual([first])
      await sink.abandon()
      expect(await Promise.all((await store.find(2)).map(read))).toEqual([first])
      await put(store, 2, next)
      expect(await read((await store.find(2))[0])).toEqual(next)
    })

    it('keeps partitions apart', async () => {
      const frames = await framesOf(2, 'alone')
      await put(store, 3, frames)
      expect(await Promise.all((await store.find(3)).map(read))).toEqual([frames])
      expect(await store.find(0)).toEqual([])
    })

    it('goes by when they were published: what stands for less, as after offsets were reset, is new all the same', async () => {
      const offsets = [9_000, 10, 20]
      const [before, ...after] = await Promise.all(offsets.map((offset, k) => framesOf(k + 1, `reset ${k}`, offset)))
      await put(store, 3, before)
      for (const [k, frames] of after.entries()) {
        await put(store, 3, frames)
        const found = await store.find(3)
        expect(await Promise.all(found.map(read))).toEqual([frames, k === 0 ? before : after[k - 1]])
      }
    })

    it('can be read only in part', async () => {
      const frames = await framesOf(20, 'long')
      await put(store, 0, frames)
      const [found] = await store.find(0)
      for await (const frame of found.frames()) {
        expect(frame).toEqual(frames[0])
        break
      }
      expect(await read(found)).toEqual(frames)
    })
  })
}
