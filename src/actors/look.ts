/**
 * Looking at one user's state without changing it, in one consistent moment.
 *
 * A live user is read by its own actor, between two of its turns. Where there is no actor nobody touches the records, and
 * they are read where they lie: in memory, or decoded from the journal into a state of their own. So asking wakes nobody.
 */
import { findUser } from '../join/decide.ts'
import { addUser } from '../join/evolve.ts'
import { murmur2 } from '../join/hash.ts'
import { decodeUser } from '../join/snapshot.ts'
import { JoinState } from '../join/state.ts'
import type { Store } from './store.ts'
import type { Users } from './users.ts'

export interface Looked<T> {
  readonly state: 'live' | 'passivated' | 'stored'
  readonly value: T
}

export interface LookAt {
  readonly state: JoinState
  readonly users: Users
  readonly store: Store
}

/** `describe` reads and does not keep; undefined: nothing is known of the user. */
export async function lookAtUser<T>(
  at: LookAt,
  key: Buffer,
  describe: (s: JoinState, user: number) => T,
): Promise<Looked<T> | undefined> {
  const hash = murmur2(key, 0, key.length)
  const inMemory = (): number => findUser(at.state, hash, key, 0, key.length)
  const user = inMemory()
  if (user !== 0) return lookInMemory(at, user, describe)
  const bytes = await at.store.peek(key)
  // It may have been brought back while the journal was asked.
  const again = inMemory()
  if (again !== 0) return lookInMemory(at, again, describe)
  if (bytes === null) return undefined
  const apart = new JoinState(at.state.rules, at.state.sources)
  const stored = addUser(apart, hash, key, 0, key.length)
  decodeUser(apart, stored, bytes)
  return { state: 'stored', value: describe(apart, stored) }
}

function lookInMemory<T>(at: LookAt, user: number, describe: (s: JoinState, user: number) => T): Promise<Looked<T>> {
  return new Promise((resolve, reject) => {
    const look = (state: 'live' | 'passivated', block: number): void => {
      try {
        resolve({ state, value: describe(at.state, block) })
      } catch (error) {
        reject(error as Error)
      }
    }
    if (!at.users.look(user, (block) => look('live', block))) look('passivated', user)
  })
}
