/**
 * Test the checker: each of these bugs, put into the product, is found by a cluster under at most 50 faults, by the check
 * that it names. Short runs one after the other, since what is wrong is told at the end of a run; one that fails in
 * another way has found nothing.
 */
import { expect, it } from 'vitest'
import { CHAOS_BUGS } from '../chaos/bugs.ts'
import { chaosTest, expectChaos } from '../chaos/chaosTest.ts'

const MOST_FAULTS = 50
const A_RUN = 5

it.each(CHAOS_BUGS.map((bug) => [bug.name, bug] as const))(
  'finds %s',
  async (name, { mutations, delivery, kinds, saidBy }) => {
    let found: string | undefined
    let faults = 0
    for (let seed = 1; found === undefined && seed <= MOST_FAULTS / A_RUN; seed++) {
      await chaosTest({ seed, faults: A_RUN, kinds, delivery, mutations, onFault: () => faults++ }).then(
        (done) => expectChaos(done, A_RUN),
        ({ message }: Error) => {
          if (saidBy.test(message)) found = message
          else console.log(`${name}: seed ${seed} failed otherwise: ${message.slice(0, 400)}`)
        },
      )
    }
    console.log(
      `${name}: ${found === undefined ? 'not found' : 'found'} after ${faults} faults: ${found?.slice(0, 400)}`,
    )
    expect(found, name).toMatch(saidBy)
  },
)
