/**
 * A cluster under live traffic and faults from a seed, healed at the end, until all is sealed and every node has ended in
 * peace.
 *
 * Owns: the traffic, the fleet, what watches them, the list of faults.
 * How it fails: a node that ends by itself, a SIGTERM that does not end in 0, a wait in which nothing changes any more.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LEDGER_FIELDS, PENDING, UNDECIDED } from '../../src/join/ledger.ts'
import type { Broker } from '../support/broker.ts'
import { type Delivery, GROUP, TOPICS } from '../support/crashPipeline.ts'
import { committedLedger } from '../support/crashWorld.ts'
import type { KafkaWorld } from '../support/kafkaWorld.ts'
import { Random } from '../support/random.ts'
import { closingEvents, Traffic, VERY_LATE_MS } from '../support/traffic.ts'
import { Commits } from './commits.ts'
import { Fleet } from './fleet.ts'
import { type FaultKind, Plan } from './plan.ts'
import { type Fault, Strike } from './strike.ts'
import { Watch } from './watch.ts'

export interface ChaosRunOptions {
  readonly program: string
  readonly folder: string
  readonly broker: Broker
  readonly world: KafkaWorld
  readonly seed: number
  /** Faults that count. */
  readonly faults: number
  readonly kinds?: readonly FaultKind[]
  readonly delivery: Delivery
  readonly brokerDownMs: number
  readonly log: (line: string) => void
  readonly onFault?: (fault: Fault) => void
}

export interface ChaosRun {
  readonly faults: readonly Fault[]
  readonly watch: Watch
  readonly commits: Commits
  readonly selfEnded: number
  readonly slowStops: number
  readonly tookMs: number
}

const NODES = ['node-1', 'node-2', 'node-3']
const EXTRA = 'node-4'
/** Has less memory than its state needs: users move to its journal and back. */
const CRAMPED = 'node-3'
const CRAMPED_STATE = '64KiB'
const SESSION_MS = 1_500
/** The others go by their journals and the log. */
const SHARING = ['node-2', 'node-3']
/** Event time runs fast: an older one reaches no further back than what the log is read from anyhow. */
const SHARED_EVERY = '300ms'
const STEP_EVERY_MS = 50
const VIEWS_A_STEP = 8
const CLOSING_AFTER_MS = VERY_LATE_MS * 2
const LOOK_EVERY_MS = 50
/** What a condition may take on a machine that does other things as well. */
const LIMIT_MS = 300_000
const TELL_EVERY_MS = 10_000
/** Small, so that what a node may hold is known. */
const MEMORY = { state: '8MiB', inFlight: '8MiB', output: '8MiB', actors: '8MiB' }
const SAMPLES_FIELD = LEDGER_FIELDS.indexOf('samples')

export async function chaosRun(options: ChaosRunOptions): Promise<ChaosRun> {
  return new Run(options).run()
}

class Run {
  private readonly options: ChaosRunOptions
  private readonly plan: Plan
  private readonly traffic: Traffic
  private readonly fleet: Fleet
  private readonly watch: Watch
  private readonly commits: Commits
  private readonly strike: Strike
  private readonly faults: Fault[] = []
  private readonly startedMs = Date.now()
  private readonly starts = new Set<Promise<void>>()
  private isFlowing = true
  private failure: Error | undefined

  constructor(options: ChaosRunOptions) {
    const { seed, folder, program, world, broker, delivery, kinds, brokerDownMs } = options
    this.options = options
    const share = join(folder, 'share')
    this.plan = new Plan(new Random(seed), kinds)
    this.traffic = new Traffic(seed + 1, { viewsAStep: VIEWS_A_STEP, withLate: true })
    this.fleet = new Fleet({
      program,
      folder,
      brokers: world.brokers,
      delivery,
      share,
      node: (id) => ({
        kafka: { brokers: [world.brokers], group: GROUP, sessionTimeout: `${SESSION_MS}ms` },
        ...(SHARING.includes(id) ? { snapshots: { to: 'folder', folder: share, every: SHARED_EVERY } } : {}),
        memory: { ...MEMORY, ...(id === CRAMPED ? { state: CRAMPED_STATE } : {}) },
      }),
      onEnded: (error) => this.fail(error),
    })
    this.watch = new Watch(this.fleet)
    this.commits = new Commits(world)
    this.strike = new Strike({
      fleet: this.fleet,
      watch: this.watch,
      broker,
      random: new Random(seed + 2),
      extra: EXTRA,
      sessionMs: SESSION_MS,
      brokerDownMs,
      until: (what, isMet) => this.until(what, isMet),
      starting: (start) => this.starting(start),
    })
  }

  async run(): Promise<ChaosRun> {
    const watching = [this.watch.run(), this.commits.run()]
    const flowing = this.flow()
    flowing.catch((error: Error) => this.fail(error))
    try {
      for (const id of NODES) this.starting(this.fleet.start(id))
      await this.rest(0, true)
      this.options.log(`${this.second()} s: ${NODES.length} nodes, samples in every partition`)
      while (this.counted() < this.options.faults) await this.next()
      await this.heal()
      this.isFlowing = false
      await flowing
      await this.finish()
    } finally {
      this.isFlowing = false
      this.watch.stop()
      this.commits.stop()
      await this.fleet.end()
      await Promise.all(watching)
    }
    const { faults, watch, commits, fleet, strike } = this
    const { slowStops } = strike
    return { faults, watch, commits, selfEnded: fleet.selfEnded, slowStops, tookMs: Date.now() - this.startedMs }
  }

  private counted(): number {
    return this.faults.filter(({ counts }) => counts).length
  }

  private second(): number {
    return Math.round((Date.now() - this.startedMs) / 1_000)
  }

  private async flow(): Promise<void> {
    while (this.isFlowing) {
      await this.options.world.send(this.traffic.step())
      await sleep(STEP_EVERY_MS)
    }
  }

  private async next(): Promise<void> {
    const { options, faults, watch } = this
    const wrong = [
      ...this.commits.backwards,
      ...watch.unbalanced.map((text) => `a ledger that does not balance: ${text}`),
    ]
    if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join('\n'))
    if (faults.length > options.faults * 2 + 10) throw new Error('too few of the faults count')
    const planned = this.plan.next()
    // Two at least, so that what is taken from one can come from another.
    // A start needs a broker; so that one that is down finds no node at its start.
    if (planned.isEarly && planned.kind !== 'broker')
      await this.until('two nodes with partitions', () => this.strike.targets().length > 1)
    else await this.rest(Date.now(), planned.kind === 'broker')
    const fault = await this.strike.run(faults.length + 1, planned)
    faults.push(fault)
    options.onFault?.(fault)
    const took = watch.takeovers.filter((each) => each.fault === fault.number).map(({ tookMs }) => tookMs)
    options.log(
      `fault ${fault.number} at ${this.second()} s: ${fault.what}; ${fault.partitions.length} partitions, ${fault.pending} ` +
        `views pending${fault.counts ? '' : ' (does not count)'}${planned.isEarly ? ', early' : ''}` +
        (took.length > 0 ? `; elsewhere after ${took.map((ms) => ms ?? '...').join(', ')} ms` : ''),
    )
  }

  /** Every partition live at one node and emitting, after `sinceMs`; two nodes at least, or where asked for all. */
  private async rest(sinceMs: number, isWhole = false): Promise<void> {
    const { partitions } = this.options.world
    const unrest = (): string[] => {
      const starting = this.starts.size === 0 ? [] : [`${this.starts.size} nodes are starting`]
      const isEnough = isWhole ? starting.length === 0 : this.strike.targets().length > 1
      return [...(isEnough ? [] : starting), ...this.watch.unrest(partitions, sinceMs)]
    }
    await this.until(
      () => `rest: ${unrest().join('; ')}`,
      () => unrest().length === 0,
    )
  }

  private async heal(): Promise<void> {
    const { fleet, options } = this
    await this.rest(Date.now(), true)
    if (fleet.member(EXTRA).state !== 'down') await this.strike.stop(EXTRA)
    await this.rest(Date.now(), true)
    options.log(`${this.second()} s: healed, ${this.faults.length} faults`)
  }

  /** The rest of the traffic, and what moves all clocks beyond it; then an end in order. */
  private async finish(): Promise<void> {
    const { world, log } = this.options
    await world.send(this.traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), this.traffic.nowMs + CLOSING_AFTER_MS))
    let counts: number[] = []
    let isDone = false
    const asking = (async () => {
      while (!isDone && this.failure === undefined) {
        counts = committedLedger(await world.committed(), TOPICS[0])
        isDone =
          counts[PENDING] === world.partitions &&
          counts[UNDECIDED] === world.partitions * 2 &&
          counts[SAMPLES_FIELD] > 0 &&
          this.lag() === 0
        await sleep(LOOK_EVERY_MS)
      }
    })()
    await this.until(
      () => `all sealed and no lag: lag ${this.lag()}, committed ${JSON.stringify(counts)}`,
      () => isDone,
    ).finally(() => {
      isDone = true
    })
    await asking
    await this.commits.ask()
    for (const { id, state } of this.fleet.members) {
      if (state !== 'down') await this.strike.stop(id)
    }
    log(`${this.second()} s: all sealed, all nodes ended`)
  }

  private lag(): number | null {
    const lags = NODES.map((id) => this.watch.lookAt(this.fleet.member(id))?.lag ?? null)
    return lags.includes(null) ? null : lags.reduce<number>((sum, lag) => sum + lag!, 0)
  }

  private starting(start: Promise<void>): void {
    const settled = start.catch((error: Error) => this.fail(error)).finally(() => this.starts.delete(settled))
    this.starts.add(settled)
  }

  private fail(error: Error): void {
    this.failure ??= error
  }

  private async until(what: string | (() => string), isMet: () => boolean): Promise<void> {
    const startedMs = Date.now()
    let told = 0
    const inWords = (): string => (typeof what === 'string' ? what : what())
    while (!isMet()) {
      if (this.failure !== undefined) throw this.failure
      const waitedMs = Date.now() - startedMs
      if (waitedMs > LIMIT_MS) throw new Error(`after ${LIMIT_MS} ms still no ${inWords()}`)
      if (waitedMs > TELL_EVERY_MS * (told + 1)) {
        told++
        this.options.log(`${this.second()} s: waiting for ${inWords()}`)
      }
      await sleep(LOOK_EVERY_MS)
    }
    if (this.failure !== undefined) throw this.failure
  }
}
