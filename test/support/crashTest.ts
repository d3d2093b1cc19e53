/** One whole crash run on either log, from the program's build to the comparison with the oracle. */
import { join } from 'node:path'
import { ownBroker, SHORT_SESSIONS } from './broker.ts'
import { checkOutcome, type Outcome } from './crashCheck.ts'
import type { Delivery } from './crashPipeline.ts'
import { ALL_HARMS, type CrashRun, crashRun, EXACTLY_ONCE_HARMS, type Harm } from './crashRun.ts'
import { openEmbeddedWorld } from './embeddedWorld.ts'
import { openKafkaWorld } from './kafkaWorld.ts'
import { buildProgram, type Mutation } from './program.ts'
import { tempDir } from './tempDir.ts'

export interface CrashTest {
  readonly log: 'kafka' | 'embedded'
  /** Of a broker that serves others too, for one run of a test file; absent: one of its own. */
  readonly brokers?: string
  readonly seed: number
  readonly kills: number
  readonly harms?: readonly Harm[]
  /** A bug to be found. */
  readonly mutations?: readonly Mutation[]
  readonly ending?: 'kill' | 'stop'
  readonly delivery?: Delivery
  /** Absent: as short as kills want it. */
  readonly sessionTimeout?: string
}

export async function crashTest(test: CrashTest): Promise<{ run: CrashRun; outcome: Outcome }> {
  const { log, seed, kills, mutations, ending, delivery = 'at-least-once', sessionTimeout } = test
  const { harms = delivery === 'exactly-once' ? EXACTLY_ONCE_HARMS : ALL_HARMS } = test
  const closing: (() => Promise<void>)[] = []
  try {
    const program = await buildProgram(mutations)
    closing.unshift(() => program.remove())
    const dir = await tempDir()
    closing.unshift(() => dir.remove())
    const isOwn = log === 'kafka' && test.brokers === undefined
    const broker = isOwn ? await ownBroker({ extra: SHORT_SESSIONS }) : undefined
    closing.unshift(async () => broker?.stop())
    const brokers = test.brokers ?? broker?.brokers
    const world = brokers === undefined ? openEmbeddedWorld(join(dir.path, 'data')) : await openKafkaWorld(brokers)
    closing.unshift(() => world.close())
    console.log(`seed ${seed}`)
    const told = (line: string): void => console.log(line)
    const options = {
      program: program.folder,
      world,
      folder: dir.path,
      seed,
      kills,
      harms,
      ending,
      delivery,
      sessionTimeout,
      log: told,
    }
    const run = await crashRun(options)
    console.log(`harm done: ${[...run.harms].map(([harm, times]) => `${harm} ${times}`).join(', ')}`)
    const outcome = await checkOutcome(world, { mayRepeat: delivery === 'at-least-once' })
    const { events, samples, repeated } = outcome
    console.log(
      `${events} events, ${samples} samples, ${repeated} repeated, ${run.selfEnded} starts found the journal damaged`,
    )
    return { run, outcome }
  } finally {
    for (const close of closing) await close()
  }
}
