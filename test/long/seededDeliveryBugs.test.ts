/** Test the checker: each of these bugs of exactly-once delivery, put into the product, is found by a few kills. */
import { expect, it } from 'vitest'
import { DELIVERY_BUGS } from '../support/crashBugs.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 6

it.each(DELIVERY_BUGS.map((bug) => [bug.name, bug] as const))('finds %s', async (_, { harms, mutations }) => {
  const found = await crashTest({
    log: 'kafka',
    delivery: 'exactly-once',
    seed: 3,
    kills: KILLS,
    harms,
    mutations,
  }).then(
    () => 'nothing',
    (error: Error) => error.message,
  )
  console.log(found.slice(0, 300))
  expect(found).toMatch(/sent again|not all was sealed/)
})
