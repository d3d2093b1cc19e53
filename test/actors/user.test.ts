/** What nact sees of a user's actor, of which little is kept in the actor itself. */
import { type ActorSystemRef, spawnStateless, start, stop } from 'nact'
import { afterEach, describe, expect, test } from 'vitest'
import { actorOf, slimParent, TURN, UserActor } from '../../src/actors/user.ts'

const systems: ActorSystemRef[] = []
afterEach(() => {
  for (const system of systems.splice(0)) stop(system)
})

function newParent() {
  const system = start()
  systems.push(system)
  const parent = actorOf(spawnStateless(system as never, () => {}, 'partition'))
  slimParent(parent)
  return parent
}

const idle = { turn() {}, crashed: async () => {} }

describe("a user's actor", () => {
  test('is found by its reference, at its path under its parent', () => {
    const parent = newParent()
    const actor = new UserActor(parent, '17', 1, idle)
    expect(actorOf(actor.reference)).toBe(actor)
    expect(String(actor.path)).toMatch(/partition\/u-17$/)
    expect([...(parent.childReferences as Iterable<[string, { name: string }]>)].map(([name]) => name)).toEqual([
      'u-17',
    ])
    expect(parent.children.get('u-17')).toBe(actor)
  })

  test('has a parent that takes one child of a name, and forgets it when it is stopped', () => {
    const parent = newParent()
    const actor = new UserActor(parent, 'ä/1', 1, idle)
    expect(() => new UserActor(parent, 'ä/1', 1, idle)).toThrow(/already exists/)
    actor.stop()
    expect(parent.children.size).toBe(0)
    expect(new UserActor(parent, 'ä/1', 2, idle).name).toBe(actor.name)
  })

  test('runs its turn at once, and after a fault keeps messages until its supervisor has reset it', async () => {
    const seen: string[] = []
    let healed: () => void = () => {}
    const behaviour = {
      turn: (user: number) => {
        seen.push(`turn ${user}`)
        if (seen.length === 1) throw new Error('once')
      },
      crashed: (_: UserActor, __: object, error: unknown) => {
        seen.push(`crashed: ${(error as Error).message}`)
        return new Promise<void>((resolve) => {
          healed = resolve
        })
      },
    }
    const actor = new UserActor(newParent(), '1', 7, behaviour)
    actor.tell(TURN)
    const done = new Promise<void>((resolve) => actor.tell({ done: resolve }))
    expect(seen).toEqual(['turn 7', 'crashed: once'])
    healed()
    await done
    expect(seen).toEqual(['turn 7', 'crashed: once', 'turn 7'])
    actor.tell(TURN)
    expect(seen.length).toBe(4)
  })
})
