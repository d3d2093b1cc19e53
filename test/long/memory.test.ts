/**
 * State beyond memory: 3 million pending views through a node that may keep 64 MiB of them, killed in the middle.
 *
 * Counted, not timed: how much went to RocksDB and came back, what a restart read of the journal and replayed of the
 * log, and what the kernel says of the process's memory. And that the test would notice: with the journal's reads
 * disabled, the same join is wrong.
 *
 * MEMORY_VIEWS: fewer views, for a shorter look at the same bounds.
 *
 * Event time goes on in steps at the end, as it does where traffic is low: a clock that jumped by hours in one record
 * would make all 3 million views due in one batch, and these must then lie in memory together.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sampleSchemaOf, writeConfig } from '../../bench/measures.mjs'
import { Appender, type Check, checkSamples, createTopics, load, userOfEach } from '../../bench/topics.mjs'
import { Workload } from '../../bench/workload.mjs'
import type { JournalStatus, NodeStatus } from '../../src/inspect/status.ts'
import { type BenchWorld, openBenchWorld } from '../support/benchWorld.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import type { Mutation } from '../support/program.ts'

const VIEWS = Number(process.env.MEMORY_VIEWS ?? 3_000_000)
const USERS = Math.ceil(VIEWS / 3)
const MOST_RESIDENT_BYTES = 600e6
/** All views lie within it. */
const WINDOW_MS = 2 * 3_600_000
const BOUND_MS = 5_000
const STEP_MS = 60_000
const LOOK_EVERY_MS = 200
const MEMORY = { state: '64MiB', actors: '16MiB', inFlight: '8MiB', output: '8MiB' }
/**
 * As whoever runs a node in tight memory does: a process that can begin anew has the settings by itself, and is given
 * none here; before Node 22.15 they are given as docs/CONFIGURATION.md says.
 */
const GIVEN: Record<string, string> =
  'execve' in process
    ? {}
    : { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', NODE_OPTIONS: '--max-semi-space-size=8' }
const SMALL_VIEWS = 100_000
const BROKEN: Mutation = {
  file: 'journal/rocksPartition.ts',
  find: 'return values.map((value, i) => {',
  replace: 'return values.map(() => null).map((value, i) => {',
}

let broker: SharedBroker
beforeAll(async () => {
  broker = await sharedBroker()
})
afterAll(() => broker?.stop())

test(`${VIEWS} pending views are joined within 600 MB, through a kill, by way of RocksDB`, async () => {
  const world = await openBenchWorld(broker.brokers)
  try {
    const join = await Join.load(world, VIEWS, USERS, MEMORY)
    await join.start()
    const first = await join.until(({ totals }) => totals.recordsJoined > join.events / 2)
    await join.kill()
    await join.start()
    const back = await join.until(({ partitions }) => isWhole(partitions) && partitions.every(isLive))
    const full = await join.until(({ totals }) => totals.lag === 0)
    await join.close()
    const last = await join.until(() => true)
    const check = await join.stop()

    const segmentsRecovered = sum(back, ({ segmentsRecovered }) => segmentsRecovered)
    const recordsReplayed = back.partitions.reduce((n, p) => n + p.recordsReplayed, 0)
    const viewsStored = sum(first, ({ viewsStored }) => viewsStored) + sum(last, ({ viewsStored }) => viewsStored)
    const viewsLoaded = sum(first, ({ viewsLoaded }) => viewsLoaded) + sum(last, ({ viewsLoaded }) => viewsLoaded)
    const { mostResidentBytes, events } = join
    const { pendingViews } = full.totals
    console.log(
      JSON.stringify({
        events,
        pendingViews,
        viewsStored,
        viewsLoaded,
        segmentsRecovered,
        recordsReplayed,
        mostResidentBytes,
        check,
      }),
    )
    expect(pendingViews).toBe(VIEWS)
    expect(check.isRight).toBe(true)
    expect(viewsStored).toBeGreaterThanOrEqual((VIEWS * 2) / 3)
    expect(viewsLoaded).toBeGreaterThanOrEqual((VIEWS * 2) / 3)
    expect(back.partitions.map(({ journal }) => journal.refused)).toEqual([null, null, null, null])
    expect(segmentsRecovered).toBeGreaterThan(0)
    expect(recordsReplayed).toBeLessThan(events / 20)
    expect(mostResidentBytes).toBeLessThan(MOST_RESIDENT_BYTES)
  } finally {
    await world.close()
  }
})

test('a smaller join beyond its memory is right', async () => {
  expect(await smallJoin([])).toMatchObject({ samples: SMALL_VIEWS, isRight: true })
})

test("with the journal's reads disabled it is wrong", async () => {
  expect(await smallJoin([BROKEN])).toMatchObject({ isRight: false })
})

async function smallJoin(mutations: readonly Mutation[]): Promise<Check> {
  const world = await openBenchWorld(broker.brokers, mutations)
  try {
    const join = await Join.load(world, SMALL_VIEWS, 50_000, { ...MEMORY, state: '4MiB' })
    await join.start()
    await join.until(({ totals }) => totals.lag === 0)
    await join.close()
    const last = await join.until(() => true)
    expect(sum(last, ({ viewsStored }) => viewsStored)).toBeGreaterThan(SMALL_VIEWS / 10)
    return await join.stop()
  } finally {
    await world.close()
  }
}

const isWhole = (partitions: NodeStatus['partitions']): boolean => partitions.length === 4
const isLive = ({ state }: { state: string }): boolean => state === 'live'

function sum({ partitions }: NodeStatus, pick: (journal: JournalStatus) => number): number {
  return partitions.reduce((total, { journal }) => total + pick(journal), 0)
}

/** One workload and the nodes, one after the other, that join it. */
class Join {
  mostResidentBytes = 0
  readonly events: number
  private readonly world: BenchWorld
  private readonly workload: Workload
  private readonly topics: readonly string[]
  private readonly output: string
  private readonly config: string
  private node!: NodeProcess
  private url!: string

  static async load(world: BenchWorld, views: number, users: number, memory: object): Promise<Join> {
    const name = uniqueName('memory')
    const topics = [`${name}-views`, `${name}-engagements`]
    const output = `${name}-samples`
    const workload = new Workload({ views, users, windowMs: WINDOW_MS })
    const { events } = await load(world.built, workload, topics)
    await createTopics(world.built.log, [output], 'LogAppendTime')
    const config = writeConfig(world, name, {
      topics,
      output,
      within: `${WINDOW_MS}ms`,
      memory,
      // After the kill, the group gives the partitions out again when it has missed the dead member for so long.
      kafka: { sessionTimeout: '6s' },
    })
    return new Join(world, workload, topics, output, config, events)
  }

  private constructor(
    world: BenchWorld,
    workload: Workload,
    topics: readonly string[],
    output: string,
    config: string,
    events: number,
  ) {
    this.world = world
    this.workload = workload
    this.topics = topics
    this.output = output
    this.config = config
    this.events = events
  }

  async start(): Promise<void> {
    this.node = new NodeProcess(this.world.program, this.config, 'node-1', undefined, GIVEN)
    this.url = await this.node.ready
  }

  /** The first status for which it holds. */
  async until(holds: (status: NodeStatus) => boolean): Promise<NodeStatus> {
    for (;;) {
      if (!this.node.isRunning) throw new Error(`the node ended by itself:\n${this.node.tail()}`)
      this.mostResidentBytes = Math.max(this.mostResidentBytes, mostResidentBytes(this.node.pid))
      const status = (await (await fetch(`${this.url}/status`)).json()) as NodeStatus
      if (holds(status)) return status
      await sleep(LOOK_EVERY_MS)
    }
  }

  kill(): Promise<void> {
    return this.node.kill()
  }

  /** Lets event time go on until nothing is pending but what moves it; each step is joined before the next. */
  async close(): Promise<void> {
    const { built } = this.world
    const closing = new Workload({ views: 0, closingUsers: userOfEach(built.placeOf) })
    const writer = await built.log.writer()
    const appender = new Appender(built, writer)
    const endMs = this.workload.endMs + WINDOW_MS + BOUND_MS + STEP_MS
    for (let timeMs = this.workload.endMs; timeMs <= endMs; timeMs += STEP_MS) {
      for (const { kind, user, value } of closing.closingAt(timeMs))
        appender.add(this.topics[kind], user, timeMs, value)
      appender.sendAll()
      await appender.drained()
      await this.until(({ partitions }) => partitions.every(({ watermarkMs }) => watermarkMs! >= timeMs - BOUND_MS))
    }
    await writer.close()
  }

  /** Ends the node in order and checks what it made. */
  async stop(): Promise<Check> {
    const code = await this.node.terminate()
    if (code !== 0) throw new Error(`the node ended with ${code}:\n${this.node.tail()}`)
    const { built } = this.world
    const schema = await sampleSchemaOf(this.world, this.config)
    return checkSamples(built, this.output, schema, this.workload.answer)
  }
}

/** The most that the process has had so far. */
function mostResidentBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
