/** What every journal's wake list must do: the part of the contract (journal.ts) about users that sleep. */
import { describe, expect, test } from 'vitest'
import { AWAKE_MS, type PartitionJournal } from '../../src/journal/port.ts'
import { Random } from '../support/random.ts'
import { all, bytes, put, text, wakesText } from './journalTools.ts'

const NEVER = Number.POSITIVE_INFINITY

export function wakeListContract(beginPartition: () => Promise<PartitionJournal>): void {
  describe('the wake list', () => {
    test('it is in the order of due times, of any size and sign, and bounded before a time', async () => {
      const journal = await beginPartition()
      const dues = [1e15, -1, 0, 1.5, -1e12, 1.7e12, 5e-324, -0.5, 255, 256, 65_536]
      await journal.putUsers([...dues.map((due) => put(`u${due}`, due)), put('never', NEVER)])
      const sorted = [...dues].sort((a, b) => a - b)
      expect((await all(journal.wakes())).map(({ dueMs }) => dueMs)).toEqual(sorted)
      for (const bound of [...sorted, 3, NEVER]) {
        const found = (await all(journal.wakes(bound))).map(({ dueMs }) => dueMs)
        expect(found).toEqual(sorted.filter((due) => due < bound))
      }
    })

    test('a user taken off stays stored, and can be put on again at the same time', async () => {
      const journal = await beginPartition()
      await journal.putUsers([put('a', 5), put('b', 6)])
      await journal.wakeDone([bytes('a'), bytes('nobody')])
      expect(wakesText(await all(journal.wakes()))).toEqual(['b@6:n'])
      expect(text(await journal.getUsers([bytes('a')]))).toEqual(['a'])
      await journal.putUsers([put('a', 5, 'again')])
      expect(wakesText(await all(journal.wakes()))).toEqual(['a@5:n', 'b@6:n'])
      await journal.putUsers([put('a', NEVER)])
      expect(wakesText(await all(journal.wakes()))).toEqual(['b@6:n'])
    })

    test('a user that is put back and forth is on the list once, at its last time', async () => {
      const journal = await beginPartition()
      for (const due of [10, 20, 10, 30, 20, 10]) {
        await journal.putUsers([put('a', due), put('z', 25)])
        const expected = due < 25 ? [`a@${due}:n`, 'z@25:n'] : ['z@25:n', `a@${due}:n`]
        expect(wakesText(await all(journal.wakes()))).toEqual(expected)
      }
    })

    test('the awake are at its end, with the note they were given, until they are put or taken off', async () => {
      const journal = await beginPartition()
      await journal.putUsers([put('a', 1), put('b', 2), put('c', 3), put('d', NEVER)])
      await journal.awaken([bytes('b'), bytes('a'), bytes('d')], bytes('w'))
      const awake = [`a@${AWAKE_MS}:w`, `b@${AWAKE_MS}:w`, `d@${AWAKE_MS}:w`]
      expect(wakesText(await all(journal.wakes()))).toEqual(['c@3:n', ...awake])
      expect(wakesText(await all(journal.wakes(AWAKE_MS)))).toEqual(['c@3:n'])
      await journal.putUsers([put('b', 9)])
      await journal.deleteUsers([bytes('a')])
      await journal.wakeDone([bytes('d')])
      expect(wakesText(await all(journal.wakes()))).toEqual(['c@3:n', 'b@9:n'])
    })

    test('the awake are found where nobody else is due', async () => {
      const journal = await beginPartition()
      await journal.putUsers([put('a', NEVER)])
      await journal.awaken([bytes('a')], bytes('w'))
      expect(wakesText(await all(journal.wakes()))).toEqual([`a@${AWAKE_MS}:w`])
    })

    test('nextDueMs is never later than the soonest, and exact after a look at the list', async () => {
      const journal = await beginPartition()
      const random = new Random(12_345)
      const due = new Map<string, number>()
      for (let round = 0; round < 60; round++) {
        const users = Array.from({ length: 40 }, () => `u${random.below(300)}`)
        const calls: Promise<unknown>[] = []
        for (const user of users) due.set(user, random.below(1000) + round * 20)
        calls.push(journal.putUsers(users.map((user) => put(user, due.get(user) ?? NEVER))))
        const before = round * 25
        const expected = [...due].filter(([, dueMs]) => dueMs < before).map(([user, dueMs]) => `${user}@${dueMs}:n`)
        expect(journal.nextDueMs).toBeLessThanOrEqual(Math.min(...due.values()))
        const found = await all(journal.wakes(before))
        expect(wakesText(found).sort()).toEqual(expected.sort())
        expect(journal.nextDueMs).toBeLessThanOrEqual(Math.min(...due.values()))
        if (journal.nextDueMs < before) expect(journal.nextDueMs).toBe(Math.min(...due.values()))
        calls.push(journal.wakeDone(found.map(({ key }) => key)))
        for (const { key } of found) due.delete(key.toString())
        await Promise.all(calls)
      }
      expect((await all(journal.wakes())).length).toBe(due.size)
      expect(journal.nextDueMs).toBe(Math.min(...due.values()))
    })

    test('a list of thousands is read whole while it is being worked off', async () => {
      const journal = await beginPartition()
      const users = Array.from({ length: 5000 }, (_, i) => put(`u${i}`, (i * 7919) % 5000))
      await journal.putUsers(users)
      const seen: number[] = []
      for await (const { key, dueMs } of journal.wakes(4000)) {
        seen.push(dueMs)
        if (seen.length % 100 === 0) await journal.wakeDone([key])
        if (seen.length === 1000) await journal.putUsers([put('late', 4999)])
      }
      expect(seen).toEqual(Array.from({ length: 4000 }, (_, i) => i))
      expect((await all(journal.wakes())).length).toBe(5000 - 40 + 1)
    })

    test('what is put while the list is read is not lost for the next look', async () => {
      const journal = await beginPartition()
      await journal.putUsers(Array.from({ length: 200 }, (_, i) => put(`u${i}`, 100 + i)))
      let putting: Promise<void> | undefined
      for await (const _ of journal.wakes()) putting ??= journal.putUsers([put('early', 1)])
      await putting
      expect(journal.nextDueMs).toBeLessThanOrEqual(1)
      expect(wakesText(await all(journal.wakes(50)))).toEqual(['early@1:n'])
    })
  })
}
