import { expect, it } from 'vitest'
import { sortUsers, type UserRow } from '../../src/inspect/users.ts'

function row(user: string, of: Partial<UserRow>): UserRow {
  const none = {
    partition: 0,
    node: 'a',
    live: true,
    pendingViews: 0,
    waiting: 0,
    bytes: 0,
    nextDueMs: null,
    inMs: null,
  }
  return { user, ...none, ...of }
}

it('the oldest are those whose own partition will be at their due time soonest', () => {
  // Partition 1 is an hour behind partition 0 in event time.
  const rows = [
    row('none', {}),
    row('late', { partition: 1, nextDueMs: 1_060_000, inMs: 60_000 }),
    row('soon', { partition: 0, nextDueMs: 4_601_000, inMs: 1_000 }),
    row('unknown', { partition: 2, nextDueMs: 9_000_000 }),
  ]
  expect(sortUsers(rows, 'oldest').map(({ user }) => user)).toEqual(['soon', 'late', 'unknown', 'none'])
})

it('the hot ones have the most pending views, then the most bytes', () => {
  const rows = [row('a', { bytes: 9 }), row('b', { pendingViews: 1 }), row('c', { pendingViews: 1, bytes: 2 })]
  expect(sortUsers(rows, 'pending').map(({ user }) => user)).toEqual(['c', 'b', 'a'])
  expect(sortUsers(rows, 'bytes').map(({ user }) => user)).toEqual(['a', 'c', 'b'])
})
