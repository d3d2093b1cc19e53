/** Emptying a state that is to be rebuilt from something else. Clocks and ledger stay as they were committed. */
import { freeUser } from './evolve.ts'
import type { JoinState } from './state.ts'

export function emptyState(s: JoinState): void {
  const users: number[] = []
  s.users.forEach((user) => {
    users.push(user)
  })
  for (const user of users) freeUser(s, user)
  for (const needed of s.needed) needed.clear()
  s.retained.clear()
  s.released.clear()
}
