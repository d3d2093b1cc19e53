/**
 * Several nodes over one real broker, under live traffic: started, drained, killed and put to sleep while it flows.
 *
 * Owns: the traffic, the nodes with their folders, what was seen of who is live. `finish` seals everything and ends all
 * in order; what must hold then is checked as after kills (crashCheck.ts).
 *
 * How it fails: a node that ends by itself fails whoever waits; every wait has a limit that only a stall reaches.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LEDGER_FIELDS, PENDING, UNDECIDED } from '../../src/join/ledger.ts'
import { type NodeSettings, PARTITIONS, writeConfig } from './crashPipeline.ts'
import { committedLedger } from './crashWorld.ts'
import type { KafkaWorld } from './kafkaWorld.ts'
import { NodeProcess } from './nodeProcess.ts'
import { closingEvents, KEY_ITEMS, Traffic } from './traffic.ts'

const STEP_EVERY_MS = 50
const LOOK_EVERY_MS = 50
/** Until what was sent before is joined. */
const JOINED_MS = 500
const CLOSING_AFTER_MS = 60_000
const SAMPLES_FIELD = LEDGER_FIELDS.indexOf('samples')
/** No claim of speed: beyond it something stands still. */
const STALL_MS = 40_000

export interface RunningNode {
  readonly id: string
  /** Of `--nodes` it is the parent's, and the same for all of them. */
  readonly process: NodeProcess
  readonly url: string
}

interface Seen {
  readonly partitions: readonly {
    readonly partition: number
    readonly state: string
    readonly sources: readonly { readonly topic: string; readonly position: number; readonly lag: number | null }[]
  }[]
}

/** Of all its nodes. */
export type ClusterSettings = Omit<NodeSettings, 'brokers' | 'dataFolder' | 'isJournalOn' | 'state'>

export class ClusterRun {
  readonly nodes = new Map<string, RunningNode>()
  readonly traffic: Traffic
  private readonly program: string
  private readonly world: KafkaWorld
  private readonly folder: string
  private readonly settings: ClusterSettings
  private readonly flowing: Promise<void>
  private isFlowing = true
  private paused: Promise<void> = Promise.resolve()

  constructor(program: string, world: KafkaWorld, folder: string, seed: number, settings: ClusterSettings = {}) {
    this.program = program
    this.world = world
    this.folder = folder
    this.settings = settings
    this.traffic = new Traffic(seed, settings.repartition === undefined ? {} : { items: KEY_ITEMS })
    this.flowing = this.flow()
    this.flowing.catch(() => {})
  }

  async start(id: string): Promise<RunningNode> {
    const process = new NodeProcess(this.program, await this.configOf(id), id)
    const node = { id, process, url: await process.ready }
    this.nodes.set(id, node)
    return node
  }

  /** `--nodes`: their ids begin with `name`. One that crashed takes its place here again when it is back. */
  async startSeveral(name: string, count: number): Promise<NodeProcess> {
    const startedMs = performance.now()
    const heard = (line: string): void => {
      if (!line.includes('"node started"')) return
      const { node, control } = JSON.parse(line) as { node: string; control: string }
      this.nodes.set(node, { id: node, process, url: control })
    }
    const process = new NodeProcess(this.program, await this.configOf(name), name, heard, {}, [
      '--nodes',
      String(count),
    ])
    while (this.nodes.size < count) {
      if (!process.isRunning) throw new Error(`the parent ended by itself:\n${process.tail()}`)
      this.check(startedMs, 'not all nodes have started')
      await sleep(LOOK_EVERY_MS)
    }
    return process
  }

  /** Where the data of that node, or of those below one parent, lies. */
  dataOf(id: string): string {
    return join(this.folder, 'data', id)
  }

  /** SIGTERM; gives the exit code. */
  async terminate(id: string): Promise<number | null> {
    return this.taken(id).process.terminate()
  }

  async kill(id: string): Promise<void> {
    await this.taken(id).process.kill()
  }

  /** Stopped for so long at least, as a machine that swaps or sleeps, and until the others have all that it had. */
  async sleepFor(id: string, ms: number): Promise<void> {
    const { pid } = this.nodes.get(id)!.process
    process.kill(pid, 'SIGSTOP')
    try {
      await sleep(ms)
      await this.untilLive(this.nodes.size - 1, id)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }

  /**
   * As a machine that sleeps with all that runs on it: nothing is sent meanwhile, nor right after it, so that every node
   * hears first that it has all there is.
   */
  async allSleepFor(ms: number): Promise<void> {
    let goOn = (): void => {}
    this.paused = new Promise((resolve) => {
      goOn = resolve
    })
    await sleep(JOINED_MS)
    const nodes = this.processes
    for (const node of nodes) node.signal('SIGSTOP')
    await sleep(ms)
    for (const node of nodes) node.signal('SIGCONT')
    await sleep(JOINED_MS)
    goOn()
  }

  /**
   * Watches the positions of a node's partitions until it is told to stop; gives those that went back, or whose lag was
   * no longer known, in words.
   */
  watchPositions({ url }: RunningNode): () => Promise<string[]> {
    const found: string[] = []
    const last = new Map<string, number>()
    let isOver = false
    const watching = (async () => {
      for (; !isOver; await sleep(LOOK_EVERY_MS)) {
        // A look that takes too long on a busy machine sees nothing.
        const seen = await this.statusOf(url).catch(() => undefined)
        for (const { partition, sources } of seen?.partitions ?? []) {
          for (const { topic, position, lag } of sources) {
            const name = `${topic} ${partition}`
            const before = last.get(name)
            if (before !== undefined && (position < before || lag === null))
              found.push(`${name}: from ${before} to ${position}, lag ${lag}`)
            if (lag !== null) last.set(name, position)
          }
        }
      }
    })()
    watching.catch(() => {})
    return async () => {
      isOver = true
      await watching
      if (last.size === 0) throw new Error('no position was seen')
      return found
    }
  }

  /** Resolves when every partition is live on one of the running nodes and on no other, with how long that took. */
  async allLive(nodes: number): Promise<number> {
    const startedMs = performance.now()
    await this.untilLive(nodes)
    return performance.now() - startedMs
  }

  /** The rest of the traffic, and what moves all clocks beyond it; all nodes end in order. Gives their exit codes. */
  async finish(): Promise<(number | null)[]> {
    this.isFlowing = false
    await this.flowing
    const { world, traffic } = this
    await world.send(traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + CLOSING_AFTER_MS))
    let changedMs = performance.now()
    let last = ''
    for (;;) {
      const counts = committedLedger(await world.committed(), world.joined[0])
      if (counts[PENDING] === PARTITIONS && counts[UNDECIDED] === PARTITIONS * 2 && counts[SAMPLES_FIELD] > 0) break
      if (String(counts) !== last) changedMs = performance.now()
      last = String(counts)
      this.check(changedMs, `not all was sealed: ${JSON.stringify(counts)}`)
      await sleep(LOOK_EVERY_MS)
    }
    return Promise.all(this.takeAll().map((process) => process.terminate()))
  }

  async close(): Promise<void> {
    this.isFlowing = false
    await Promise.all(this.takeAll().map((process) => process.kill()))
    await this.flowing.catch(() => {})
  }

  /** Partitions that a node has built anew, in the order of its assignments, by its log. */
  static recoveries({ process }: RunningNode): number[][] {
    return process.lines
      .filter((line) => line.includes('"partitions assigned"'))
      .map((line) => (JSON.parse(line) as { partitions: number[] }).partitions)
  }

  /** All there are, each once. */
  private get processes(): NodeProcess[] {
    return [...new Set([...this.nodes.values()].map(({ process }) => process))]
  }

  /** Nobody watches them from here on. */
  private takeAll(): NodeProcess[] {
    const { processes } = this
    this.nodes.clear()
    return processes
  }

  private async configOf(id: string): Promise<string> {
    const config = join(this.folder, `config-${id}`)
    await writeConfig(config, {
      brokers: this.world.brokers,
      dataFolder: this.dataOf(id),
      isJournalOn: true,
      ...this.settings,
    })
    return config
  }

  private taken(id: string): RunningNode {
    const node = this.nodes.get(id)!
    this.nodes.delete(id)
    return node
  }

  private async flow(): Promise<void> {
    while (this.isFlowing) {
      await this.paused
      await this.world.send(this.traffic.step())
      await sleep(STEP_EVERY_MS)
    }
  }

  /** `asleep`: is not asked, since it does not answer. */
  private async untilLive(nodes: number, asleep?: string): Promise<void> {
    let changedMs = performance.now()
    let last = ''
    for (;;) {
      const seen = await this.look(asleep)
      const partitions = seen.flatMap((one) => one.partitions)
      const live = partitions.filter(({ state }) => state === 'live')
      const numbers = new Set(live.map(({ partition }) => partition))
      const isShared = seen.length === nodes && seen.every((one) => one.partitions.length > 0)
      if (isShared && numbers.size === PARTITIONS && live.length === PARTITIONS) return
      const states = partitions.map(({ partition, state }) => `${partition} ${state}`).join()
      if (states !== last) changedMs = performance.now()
      last = states
      this.check(changedMs, `not all partitions are live: ${JSON.stringify(seen)}`)
      await sleep(LOOK_EVERY_MS)
    }
  }

  private async look(asleep?: string): Promise<Seen[]> {
    const awake = [...this.nodes.values()].filter(({ id }) => id !== asleep)
    const seen = await Promise.allSettled(awake.map(({ url }) => this.statusOf(url)))
    return seen.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  private async statusOf(url: string): Promise<Seen> {
    const answer = await fetch(`${url}/status`, { signal: AbortSignal.timeout(2_000) })
    return (await answer.json()) as Seen
  }

  private check(sinceMs: number, what: string): void {
    for (const { id, process } of this.nodes.values()) {
      if (!process.isRunning) throw new Error(`${id} ended by itself:\n${process.tail()}`)
    }
    if (performance.now() < sinceMs + STALL_MS) return
    throw new Error(
      `${what}\n${[...this.nodes.values()].map(({ id, process }) => `${id}:\n${process.tail()}`).join('\n')}`,
    )
  }
}

/** The longest time without a sample in each partition, from what lies in the topic, around a moment. */
export function gapsAround(
  samples: readonly { readonly partition: number; readonly stampMs: number }[],
  fromMs: number,
  toMs: number,
): number[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    const stamps = samples.filter((sample) => sample.partition === partition).map(({ stampMs }) => stampMs)
    const within = stamps.sort((a, b) => a - b)
    let longest = 0
    for (let i = 1; i < within.length; i++) {
      if (within[i] >= fromMs && within[i - 1] <= toMs) longest = Math.max(longest, within[i] - within[i - 1])
    }
    return longest
  })
}
