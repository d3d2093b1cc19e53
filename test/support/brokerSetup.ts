/**
 * vitest's global setup: one broker for all integration tests of a run, of whatever project, started only if the run has
 * some.
 *
 * How it fails: under CI=true missing tools fail the run; elsewhere the address is null and the tests that need a broker
 * say what to install.
 */
import type { TestProject } from 'vitest/node'
import { missingTools, requireBroker, startBroker } from '../../scripts/broker.mjs'
import { SHORT_SESSIONS } from './broker.ts'

const NEEDS_BROKER = /[\\/](integration|long)[\\/]/
/** Of the run. Each project loads this file for itself, in one process. */
const BROKER = Symbol.for('postview.broker')
const run = globalThis as { [BROKER]?: ReturnType<typeof startBroker> | undefined }

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!(await needsBroker(project))) {
    project.provide('brokers', null)
    return undefined
  }
  if (process.env.CI === 'true') await requireBroker()
  if ((await missingTools()) !== null) {
    project.provide('brokers', null)
    return undefined
  }
  const isOurs = run[BROKER] === undefined
  run[BROKER] ??= startBroker({ isBrief: true, extra: SHORT_SESSIONS })
  const broker = await run[BROKER]
  project.provide('brokers', broker.brokers)
  return isOurs ? () => broker.stop() : undefined
}

async function needsBroker(project: TestProject): Promise<boolean> {
  // The command line's filters; vitest keeps them under this name and does not type it. Absent: all files.
  const { filenamePattern } = project.vitest as unknown as { readonly filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(filenamePattern)
  return testFiles.some((file) => NEEDS_BROKER.test(file))
}
