/** Test the checker: bugs that only a crash shows are found by a few kills. The others: test/long/seededCrashBugs.test.ts. */
import { expect, it } from 'vitest'
import { crashBug } from '../support/crashBugs.ts'
import { crashTest } from '../support/crashTest.ts'

const BUGS = ['a commit that does not wait for the samples', 'decided engagements not bound again']

it.each(BUGS)('finds %s', { timeout: 120_000 }, async (name) => {
  const { harms, mutations } = crashBug(name)
  const run = crashTest({ log: 'embedded', seed: 3, kills: 2, harms, mutations })
  await expect(run).rejects.toThrow(/samples (that are missing|that are wrong|whose copies differ)/)
})
