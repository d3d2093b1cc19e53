/**
 * The order of test files: the longest first, and beside it all those that start no broker, node or browser. Then
 * the others that kill nodes for minutes, spread over the rest: so no worker waits for the last of them alone at the end
 * of a run, and not all of them, with their brokers and nodes, share the machine at the same time.
 *
 * How it fails: where a file that is named is not there; a renamed one would begin last without a word.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const TESTS = join(import.meta.dirname, '..')
/** By what they took in a run of all, the longest first. */
const LONG = [
  'chaos/chaos.test.ts',
  'integration/killKafka.test.ts',
  'integration/exactlyOnce.test.ts',
  'packaging.test.ts',
  'integration/killEmbedded.test.ts',
  'integration/restartStop.test.ts',
  'page/page.test.ts',
  'integration/kafkaLog.test.ts',
  'integration/repartitionStall.test.ts',
  'integration/cluster.test.ts',
  'integration/seededCrashBugs.test.ts',
].map((name) => join(TESTS, name))
/** Other files between two of them. */
const BETWEEN = 2

export class Spread extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of LONG)
      if (!existsSync(path)) throw new Error(`there is no ${path}: test/support/spread.ts names it`)
    const sorted = await super.sort(files)
    const long = LONG.flatMap((path) => sorted.filter(({ moduleId }) => moduleId === path))
    const unit = sorted.filter(({ project }) => project.name === 'unit')
    const others = sorted.filter((file) => !long.includes(file) && !unit.includes(file))
    const spread = long.slice(1).flatMap((file) => [file, ...others.splice(0, BETWEEN)])
    const order = [...long.slice(0, 1), ...unit, ...spread, ...others]
    if (order.length !== files.length) throw new Error('a test file was left out of the order, or is in it twice')
    return order
  }
}
