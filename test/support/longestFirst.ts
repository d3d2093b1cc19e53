/**
 * The order of test files: those that take longest begin first, so that no worker waits for the last of them alone at the
 * end of a run. They mostly wait (for a group's session, a broker, a journal), so the others run beside them.
 *
 * Invariant: each file that is named is there (checked, since a renamed one would begin last without a word).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const TESTS = join(import.meta.dirname, '..')
/** By what they took in a run of all, the longest first. */
const LONGEST = [
  'chaos/chaos.test.ts',
  'integration/killKafka.test.ts',
  'integration/exactlyOnce.test.ts',
  'integration/killEmbedded.test.ts',
  'integration/restartStop.test.ts',
  'packaging.test.ts',
  'integration/seededCrashBugs.test.ts',
  'integration/dense.test.ts',
  'integration/cluster.test.ts',
  'integration/repartitionStall.test.ts',
  'integration/nodes.test.ts',
  'integration/drain.test.ts',
  'integration/kafkaTopics.test.ts',
  'integration/restartActors.test.ts',
].map((name) => join(TESTS, name))

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of LONGEST) if (!existsSync(path)) throw new Error(`there is no ${path}: longestFirst.ts names it`)
    const others = await super.sort(files)
    return others.sort((a, b) => placeOf(a) - placeOf(b))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const at = LONGEST.indexOf(moduleId)
  return at < 0 ? LONGEST.length : at
}
