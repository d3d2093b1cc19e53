/**
 * What every journal must do (src/journal/port.ts), run against each of them. `open` gives the store of a folder, the
 * same one again when asked for the same folder; `durable` says that what one store wrote, a later one reads.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { AWAKE_MS, type JournalStore, type PartitionJournal } from '../../src/journal/port.ts'
import { all, bytes, put, text, wakesText } from './journalTools.ts'
import { wakeListContract } from './journalWakes.ts'

const NEVER = Number.POSITIVE_INFINITY
let folders = 0

export function journalContract(
  name: string,
  open: (folder?: string) => Promise<JournalStore>,
  { durable }: { durable: boolean },
): void {
  describe(`${name} keeps the journal's contract`, () => {
    const stores: JournalStore[] = []
    const begin = async (folder?: string): Promise<JournalStore> => {
      const store = await open(folder)
      stores.push(store)
      return store
    }
    const beginPartition = async (): Promise<PartitionJournal> => (await begin()).partition(0)
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close()
    })

    describe('segments and mark', () => {
      test('an empty journal has no mark, no segments, no users and nobody to wake', async () => {
        const journal = await beginPartition()
        expect(await journal.mark()).toBeNull()
        expect(await all(journal.segments())).toEqual([])
        expect(await journal.getUsers([bytes('a')])).toEqual([null])
        expect(await all(journal.wakes())).toEqual([])
        expect(journal.nextDueMs).toBe(NEVER)
      })

      test('segments come back in their order, whatever their size and number', async () => {
        const journal = await beginPartition()
        const first = 2 ** 32 - 6
        const sizes = [0, 1, 5000, 300_000, 3, 4095, 4096, 4097, 70_000, 2, 9, 12]
        for (const [i, size] of sizes.entries()) await journal.append(first + i, Buffer.alloc(size, i + 1))
        const read = await all(journal.segments())
        expect(read.map(({ sequence }) => sequence)).toEqual(sizes.map((_, i) => first + i))
        for (const [i, size] of sizes.entries()) expect(read[i].bytes.equals(Buffer.alloc(size, i + 1))).toBe(true)
      })

      test('marks are told of all partitions at once, of those that are not open too', async () => {
        const store = await begin()
        expect(await store.marks(3)).toEqual([null, null, null])
        const journal = await store.partition(1)
        await journal.trim(0, bytes('one'))
        expect((await store.marks(3)).map((mark) => mark?.toString() ?? null)).toEqual([null, 'one', null])
        await journal.close()
        expect((await store.marks(2)).map((mark) => mark?.toString() ?? null)).toEqual([null, 'one'])
      })

      test('what was passed to a call may be overwritten as soon as the call was made', async () => {
        const journal = await beginPartition()
        const reused = Buffer.from('before')
        const user = put('before', 10, 'before', 'before')
        const calls = [journal.append(1, reused), journal.putUsers([user]), journal.trim(0, reused)]
        for (const buffer of [reused, user.key, user.state, user.note]) buffer.write('AFTER!')
        await Promise.all(calls)
        expect(text(await all(journal.segments()))).toEqual(['1=before'])
        expect(text(await journal.getUsers([bytes('before')]))).toEqual(['before'])
        expect(wakesText(await all(journal.wakes()))).toEqual(['before@10:before'])
        expect((await journal.mark())?.toString()).toBe('before')
      })

      test('calls take effect in the order in which they were made, awaited or not', async () => {
        const journal = await beginPartition()
        const calls: Promise<unknown>[] = []
        for (let i = 0; i < 50; i++) {
          calls.push(journal.append(i, bytes(`s${i}`)), journal.putUsers([put('u', i, `state${i}`)]))
          calls.push(journal.trim(i - 1, bytes(`m${i}`)))
        }
        const state = journal.getUsers([bytes('u')])
        calls.push(journal.deleteUsers([bytes('u')]))
        expect(text(await state)).toEqual(['state49'])
        expect(text(await all(journal.segments()))).toEqual(['48=s48', '49=s49'])
        expect((await journal.mark())?.toString()).toBe('m49')
        await Promise.all(calls)
        expect(await journal.getUsers([bytes('u')])).toEqual([null])
      })

      test('trim deletes what is below and writes the mark', async () => {
        const journal = await beginPartition()
        for (let i = 0; i < 10; i++) await journal.append(i, bytes(`s${i}`))
        await journal.trim(0, bytes('m0'))
        expect((await all(journal.segments())).length).toBe(10)
        await journal.trim(4, bytes('m1'))
        await journal.trim(7, bytes('m2'))
        await journal.trim(5, bytes('m3'))
        expect(text(await all(journal.segments()))).toEqual(['7=s7', '8=s8', '9=s9'])
        expect((await journal.mark())?.toString()).toBe('m3')
        await journal.trim(100, bytes('m4'))
        expect(await all(journal.segments())).toEqual([])
        await journal.append(10, bytes('s10'))
        expect(text(await all(journal.segments()))).toEqual(['10=s10'])
      })

      test('cut deletes from a number on, and writing goes on there', async () => {
        const journal = await beginPartition()
        for (let i = 5; i < 10; i++) await journal.append(i, bytes(`s${i}`))
        await journal.cut(8)
        expect(text(await all(journal.segments()))).toEqual(['5=s5', '6=s6', '7=s7'])
        await journal.append(8, bytes('again'))
        await journal.cut(100)
        expect(text(await all(journal.segments())).at(-1)).toBe('8=again')
        await journal.cut(0)
        expect(await all(journal.segments())).toEqual([])
      })

      test('a number may be used again after a trim went past it', async () => {
        const journal = await beginPartition()
        await journal.append(5, bytes('old'))
        await journal.trim(6, bytes('m'))
        await journal.append(3, bytes('new'))
        expect(text(await all(journal.segments()))).toEqual(['3=new'])
        await journal.trim(4, bytes('m'))
        expect(await all(journal.segments())).toEqual([])
      })

      test('one segment is found by its number, until it is trimmed or cut', async () => {
        const journal = await beginPartition()
        for (let i = 5; i < 10; i++) await journal.append(i, bytes(`s${i}`))
        const found = async (): Promise<(string | undefined)[]> => {
          const segments = await Promise.all([4, 5, 7, 9, 10].map((sequence) => journal.segment(sequence)))
          return segments.map((segment) => segment?.toString())
        }
        expect(await found()).toEqual([undefined, 's5', 's7', 's9', undefined])
        await journal.trim(7, bytes('m'))
        await journal.cut(9)
        expect(await found()).toEqual([undefined, undefined, 's7', undefined, undefined])
        expect([journal.counts.segmentsRead, journal.counts.bytesRead]).toEqual([4, 8])
      })

      test('a hole among the segments is damage', async () => {
        const journal = await beginPartition()
        for (const i of [3, 4, 6]) await journal.append(i, bytes(`s${i}`))
        const seen: number[] = []
        const read = async (): Promise<void> => {
          for await (const { sequence } of journal.segments()) seen.push(sequence)
        }
        await expect(read()).rejects.toMatchObject({ code: 'DAMAGED' })
        expect(seen).toEqual([3, 4])
      })
    })

    describe('users', () => {
      test('users come back in the order asked for, null where nothing is stored', async () => {
        const journal = await beginPartition()
        const users = Array.from({ length: 2500 }, (_, i) => put(`user-${i}`, i, 'x'.repeat(i)))
        await journal.putUsers(users)
        const keys = [bytes('user-2499'), bytes('nobody'), bytes('user-0'), bytes('user-7'), bytes('user-7'), bytes('')]
        const [last, nobody, empty, seven, again, none] = await journal.getUsers(keys)
        expect([last?.length, nobody, empty?.length, seven?.length, again?.length, none]).toEqual([
          2499,
          null,
          0,
          7,
          7,
          null,
        ])
        const every = await journal.getUsers(users.map(({ key }) => key))
        expect(every.map((state) => state?.length)).toEqual(users.map(({ state }) => state.length))
      })

      test('a later put replaces the earlier, in the same call too', async () => {
        const journal = await beginPartition()
        await journal.putUsers([put('a', 1, 'one'), put('b', 5, 'b'), put('a', 9, 'two')])
        expect(text(await journal.getUsers([bytes('a')]))).toEqual(['two'])
        expect(wakesText(await all(journal.wakes()))).toEqual(['b@5:n', 'a@9:n'])
        await journal.putUsers([put('b', 20, 'c')])
        expect(wakesText(await all(journal.wakes()))).toEqual(['a@9:n', 'b@20:n'])
      })

      test('deleted users are gone from the store and from the wake list', async () => {
        const journal = await beginPartition()
        await journal.putUsers([put('a', 1), put('b', 2), put('c', NEVER)])
        await journal.deleteUsers([bytes('a'), bytes('c'), bytes('nobody')])
        expect(text(await journal.getUsers([bytes('a'), bytes('b'), bytes('c')]))).toEqual([null, 'b', null])
        expect(wakesText(await all(journal.wakes()))).toEqual(['b@2:n'])
      })

      test('user ids are bytes: prefixes, zeros and bytes that are not UTF-8 stay apart', async () => {
        const journal = await beginPartition()
        const ids = [[], [0], [0, 0], [0xff], [0xff, 0xff], [0xc3], [0xc3, 0x28], [0x61], [0x61, 0]]
        const keys = ids.map((id) => Buffer.from(id))
        await journal.putUsers(keys.map((key, i) => ({ key, state: bytes(`s${i}`), dueMs: 7, note: bytes('n') })))
        expect(text(await journal.getUsers(keys))).toEqual(keys.map((_, i) => `s${i}`))
        const order = (await all(journal.wakes())).map(({ key }) => key)
        expect(order).toEqual([...keys].sort(Buffer.compare))
      })

      test('an empty list is nothing to do', async () => {
        const journal = await beginPartition()
        expect(await journal.getUsers([])).toEqual([])
        await journal.putUsers([])
        await journal.deleteUsers([])
        await journal.wakeDone([])
        await journal.awaken([], bytes('w'))
        expect(await all(journal.wakes())).toEqual([])
      })
    })

    wakeListContract(beginPartition)

    describe('partitions, counts and closing', () => {
      test('partitions do not see each other, and clearing one leaves the others', async () => {
        const store = await begin()
        const journals = await Promise.all([0, 1, 255, 256, 2 ** 31 - 1].map((number) => store.partition(number)))
        for (const [i, journal] of journals.entries()) {
          await journal.append(i, bytes(`s${i}`))
          await journal.putUsers([put('a', i + 1, `state${i}`)])
          await journal.trim(0, bytes(`m${i}`))
        }
        await journals[1].clear()
        expect(journals[1].nextDueMs).toBe(NEVER)
        for (const [i, journal] of journals.entries()) {
          const there = i !== 1
          expect(text(await all(journal.segments()))).toEqual(there ? [`${i}=s${i}`] : [])
          expect(text(await journal.getUsers([bytes('a')]))).toEqual([there ? `state${i}` : null])
          expect(wakesText(await all(journal.wakes()))).toEqual(there ? [`a@${i + 1}:n`] : [])
          expect((await journal.mark())?.toString()).toBe(there ? `m${i}` : undefined)
        }
        await journals[1].append(0, bytes('anew'))
        expect(text(await all(journals[1].segments()))).toEqual(['0=anew'])
      })

      test('counts say what was written and read', async () => {
        const journal = await beginPartition()
        await journal.append(1, Buffer.alloc(100))
        await journal.append(2, Buffer.alloc(50))
        await journal.putUsers([put('a', 1, 'xyz'), put('b', 2, '')])
        await all(journal.segments())
        await journal.getUsers([bytes('a'), bytes('nobody')])
        expect(journal.counts).toEqual({
          segmentsWritten: 2,
          segmentsRead: 2,
          usersWritten: 2,
          usersRead: 1,
          bytesWritten: 153,
          bytesRead: 153,
          bytesKept: 150,
        })
      })

      test('counts say how much the segments are that it keeps, each once', async () => {
        const journal = await beginPartition()
        for (const [i, size] of [100, 50, 20, 7].entries()) await journal.append(i + 1, Buffer.alloc(size))
        await all(journal.segments())
        expect(journal.counts.bytesKept).toBe(177)
        await journal.trim(3, bytes('m'))
        expect(journal.counts.bytesKept).toBe(27)
        await journal.cut(4)
        expect(journal.counts.bytesKept).toBe(20)
        await journal.append(4, Buffer.alloc(5))
        expect(journal.counts.bytesKept).toBe(25)
        await journal.clear()
        expect(journal.counts.bytesKept).toBe(0)
      })

      test('a partition is open once, until it is closed', async () => {
        const store = await begin()
        const journal = await store.partition(3)
        await journal.append(1, bytes('s'))
        await expect(store.partition(3)).rejects.toMatchObject({ code: 'LOCKED' })
        await journal.close()
        await journal.close()
        const again = await store.partition(3)
        expect(text(await all(again.segments()))).toEqual(['1=s'])
      })

      test('what is closed refuses with CLOSED, and what was under way has ended', async () => {
        const store = await begin()
        const journal = await store.partition(0)
        const appending = journal.append(1, bytes('s'))
        await store.close()
        await appending
        await store.close()
        for (const call of [
          () => journal.append(2, bytes('t')),
          () => journal.trim(1, bytes('m')),
          () => journal.mark(),
          () => journal.cut(0),
          () => journal.putUsers([]),
          () => journal.getUsers([bytes('a')]),
          () => journal.deleteUsers([bytes('a')]),
          () => journal.awaken([bytes('a')], bytes('w')),
          () => journal.wakeDone([bytes('a')]),
          () => journal.clear(),
          () => journal.segment(1),
          () => all(journal.segments()),
          () => all(journal.wakes()),
          () => store.partition(1),
        ]) {
          await expect(call()).rejects.toMatchObject({ code: 'CLOSED' })
        }
      })

      if (!durable) return
      test('all of it is there again after closing', async () => {
        const folder = `again-${folders++}`
        const store = await begin(folder)
        const journal = await store.partition(7)
        await journal.append(4, Buffer.alloc(10_000, 4))
        await journal.append(5, bytes('s5'))
        await journal.trim(4, bytes('m'))
        await journal.putUsers([put('a', 8), put('b', 9), put('c', 10)])
        await journal.putUsers([put('a', 11)])
        await journal.awaken([bytes('c')], bytes('w'))
        await store.close()
        const later = await (await begin(folder)).partition(7)
        expect(later.nextDueMs).toBeLessThanOrEqual(9)
        expect((await later.mark())?.toString()).toBe('m')
        expect((await all(later.segments())).map(({ bytes }) => bytes.length)).toEqual([10_000, 2])
        expect(wakesText(await all(later.wakes()))).toEqual(['b@9:n', 'a@11:n', `c@${AWAKE_MS}:w`])
        expect(later.nextDueMs).toBe(9)
        expect(text(await later.getUsers([bytes('a'), bytes('z')]))).toEqual(['a', null])
      })
    })
  })
}
