/** Test the checker: each of these bugs, put into the product, is found by a few kills on the embedded log. */
import { expect, it } from 'vitest'
import { CRASH_BUGS } from '../support/crashBugs.ts'
import { crashTest } from '../support/crashTest.ts'

const KILLS = 6

it.each(CRASH_BUGS.map((bug) => [bug.name, bug] as const))('finds %s', async (_, { harms, mutations }) => {
  const found = await crashTest({ log: 'embedded', seed: 3, kills: KILLS, harms, mutations }).then(
    () => 'nothing',
    (error: Error) => error.message,
  )
  console.log(found.slice(0, 300))
  expect(found).toMatch(/samples|not all was sealed|too few of the kills count|expected/)
})
