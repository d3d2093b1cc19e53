/**
 * Kills a node again and again in the middle of traffic, does harm to its journal in between, and lets it end in peace.
 *
 * Owns: the traffic, the node of the moment, copies of its journal, and the commits seen on the way.
 * Invariants:
 * 1. The same seed makes the same traffic, the same harm and the same moments, as far as clocks allow.
 * 2. Each kind of harm is done once before any is done again.
 * How it fails: a node that ends by itself fails the run, unless its journal was damaged: then it is started again, as
 * whoever looks after a process would do.
 */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { LEDGER_FIELDS, PENDING, UNDECIDED } from '../../src/join/ledger.ts'
import { type Kill, type Look, lastSecond } from './crashKills.ts'
import { type Delivery, PARTITIONS, TOPICS, writeConfig } from './crashPipeline.ts'
import { type CommitState, type CrashWorld, committedLedger } from './crashWorld.ts'
import { DAMAGE_FOUND, damageFiles } from './damage.ts'
import { NodeProcess } from './nodeProcess.ts'
import { Random } from './random.ts'
import { closingEvents, Traffic } from './traffic.ts'

/** What is done after a kill, before the next start. */
export type Harm = 'none' | 'no journal' | 'small memory' | 'deleted' | 'truncated' | 'older' | 'newer'

export interface CrashRunOptions {
  readonly program: string
  readonly world: CrashWorld
  /** For the configuration, the data and the copies. */
  readonly folder: string
  readonly seed: number
  /** Kills that count. */
  readonly kills: number
  /** `stop`: ends in order, by SIGTERM, in the middle of traffic. Default: kill -9. */
  readonly ending?: 'kill' | 'stop'
  readonly harms: readonly Harm[]
  readonly delivery?: Delivery
  /** Of the nodes' membership on Kafka. */
  readonly sessionTimeout?: string
  readonly log?: (line: string) => void
}

export interface CrashRun {
  readonly kills: readonly Kill[]
  /** Nodes that ended by themselves, over a damaged journal. */
  readonly selfEnded: number
  /** How often each kind was done. */
  readonly harms: ReadonlyMap<Harm, number>
  readonly garbage: number
  readonly skewed: number
}

export const ALL_HARMS: readonly Harm[] = [
  'none',
  'no journal',
  'small memory',
  'small memory',
  'deleted',
  'truncated',
  'older',
  'newer',
]

/** Without a commit that is put back: that is what an exactly-once reader cannot be saved from. */
export const EXACTLY_ONCE_HARMS = ALL_HARMS.filter((harm) => harm !== 'newer')

const STEP_EVERY_MS = 50
/** Of so many kills one more than is asked for, and one at least. */
const SPARED = 10
/** Until there are samples at all. */
const WARM_UP_MS = 2_500
const LOOK_EVERY_MS = 80
const PATIENCE_MS = 6_000
const CLOSING_AFTER_MS = 60_000
const DEADLINE_MS = 40_000
const STOP_LIMIT_MS = 10_000
/** A last wait in which nothing changes any more. */
const STUCK_MS = 40_000
const KEPT = 4
/** Some seconds of them: a journal that is newer than the oldest has trimmed what that one needs. */
const COMMITS_KEPT = 16
const SMALL_STATE = '64KiB'
const SAMPLES_FIELD = LEDGER_FIELDS.indexOf('samples')

export async function crashRun(options: CrashRunOptions): Promise<CrashRun> {
  return new Run(options).run()
}

class Run {
  private readonly options: CrashRunOptions
  private readonly random: Random
  private readonly traffic: Traffic
  private readonly journal: string
  private readonly kills: Kill[] = []
  private readonly copies: { readonly folder: string; readonly isDamaged: boolean }[] = []
  private commits: (readonly CommitState[])[] = []
  private selfEnded = 0
  /** Since the journal was harmed, until it is deleted: nobody knows when that is found. */
  private isDamaged = false
  /** What is still to be done before any kind comes again. */
  private deck: Harm[] = []
  private readonly harms: Map<Harm, number>
  private isFlowing = true
  private made = 0
  private node: NodeProcess | undefined
  private readonly startedMs = Date.now()

  constructor(options: CrashRunOptions) {
    this.options = options
    this.random = new Random(options.seed)
    this.traffic = new Traffic(options.seed + 1, { withGarbage: options.world.takesGarbage })
    this.journal = join(options.folder, 'data/journal')
    this.harms = new Map(options.harms.map((harm) => [harm, 0]))
  }

  async run(): Promise<CrashRun> {
    try {
      return await this.runThrough()
    } finally {
      this.isFlowing = false
      await this.node?.kill()
    }
  }

  private async runThrough(): Promise<CrashRun> {
    const flowing = this.flow()
    flowing.catch(() => {})
    try {
      let harm: Harm = 'none'
      const { kills } = this.options
      const wanted = kills + Math.max(1, Math.floor(kills / SPARED))
      for (let rounds = 0; this.counted() < wanted; rounds++) {
        if (rounds > kills * 2 + 10) throw new Error('too few of the kills count')
        const next = this.deal()
        const round = this.round(harm).then(() => this.harm(next))
        const ended = flowing.then(() => Promise.reject(new Error('the traffic ended')))
        await within(Promise.race([round, ended]), () => `the round after ${harm}, before ${next}`)
        harm = next
      }
    } finally {
      this.isFlowing = false
    }
    await this.finish(flowing)
    const { kills, selfEnded, harms } = this
    const { garbage, skewed } = this.traffic
    return { kills, selfEnded, harms, garbage, skewed }
  }

  private deal(): Harm {
    if (this.deck.length === 0) this.deck = this.random.shuffled(this.options.harms)
    // What cannot be done yet stays in the deck, as long as there is anything else.
    const at = this.deck.findIndex((harm) => this.isPossible(harm))
    return this.deck.splice(Math.max(0, at), 1)[0]
  }

  private isPossible(harm: Harm): boolean {
    if (harm === 'older') return this.copies.length > 0
    return harm !== 'newer' || this.commits.length > 1
  }

  private counted(): number {
    return this.kills.filter(({ durable, pending }) => durable > 0 && pending > 0).length
  }

  private async flow(): Promise<void> {
    while (this.isFlowing) {
      await this.options.world.send(this.traffic.step())
      await sleep(STEP_EVERY_MS)
    }
  }

  /** One life of the node, from its start to its kill. */
  private async round(harm: Harm): Promise<void> {
    const { log } = this.options
    const { random } = this
    if (this.options.ending !== 'stop' && random.chance(0.1)) await this.killEarly(harm)
    const node = await this.start(harm)
    const killAtMs = Date.now() + 500 + random.below(1_200) + (this.kills.length === 0 ? WARM_UP_MS : 0)
    const looks: Look[] = []
    // On a busy machine most lives wait until they count; some end in the middle of whatever it is.
    const patientUntilMs = killAtMs + (random.chance(0.8) ? PATIENCE_MS : 0)
    while (Date.now() < killAtMs || (!(await this.counts(looks)) && Date.now() < patientUntilMs)) {
      if (!node.isRunning) return this.acceptEnd(node)
      await sleep(Math.min(LOOK_EVERY_MS, Math.max(1, killAtMs - Date.now())))
      looks.push(...(await this.look()))
      if (random.chance(0.2)) await this.keepCommits()
    }
    const committed = await this.committedSamples()
    const atMs = Date.now()
    await this.end(node)
    await this.keepCommits()
    const { made, from, pending } = lastSecond(looks, atMs)
    const durable = Math.max(0, committed - from)
    this.kills.push({ harm, atMs, pending, durable })
    const second = Math.round((atMs - this.startedMs) / 1_000)
    log?.(
      `kill ${this.kills.length} at ${second} s, after ${harm}: ${made} samples in the second before, ${durable} durable, ${pending} views pending`,
    )
  }

  /** Whether a kill of this moment would count: what is emitted and lost with its node is in no topic. */
  private async counts(looks: readonly Look[]): Promise<boolean> {
    const { from, pending } = lastSecond(looks, Date.now())
    return pending > 0 && (await this.committedSamples()) > from
  }

  private async committedSamples(): Promise<number> {
    return committedLedger(await this.options.world.committed(), TOPICS[0])[SAMPLES_FIELD] ?? 0
  }

  private async end(node: NodeProcess): Promise<void> {
    this.options.world.nodeUrl = undefined
    if (this.options.ending !== 'stop') return node.kill()
    const startedMs = Date.now()
    const code = await node.terminate()
    const tookMs = Date.now() - startedMs
    if (code !== 0 || tookMs > STOP_LIMIT_MS) {
      throw new Error(`SIGTERM ended in exit code ${code} after ${tookMs} ms:\n${node.tail()}`)
    }
  }

  /** A kill in the middle of a start. */
  private async killEarly(harm: Harm): Promise<void> {
    const node = await this.spawn(harm)
    await sleep(300 + this.random.below(900))
    await node.kill()
    this.options.log?.(`kill during a start after ${harm}`)
  }

  private async look(): Promise<Look[]> {
    const url = this.options.world.nodeUrl
    const atMs = Date.now()
    try {
      const answer = await fetch(`${url}/ledger`, { signal: AbortSignal.timeout(1_000) })
      const { total } = (await answer.json()) as { total: { samples: number; pending: number } }
      return [{ atMs, samples: total.samples, pending: total.pending }]
    } catch {
      return []
    }
  }

  /** What each partition waits for, for the message of a test that fails. */
  private async status(): Promise<string> {
    const answer = await fetch(`${this.options.world.nodeUrl}/status`).catch(() => undefined)
    if (answer === undefined) return 'the node does not answer'
    const { partitions } = (await answer.json()) as NodeStatus
    return partitions.map((partition) => JSON.stringify(partition)).join('\n')
  }

  private async keepCommits(): Promise<void> {
    const commits = await this.options.world.committed()
    if (commits.every(({ offset }) => offset >= 0)) this.commits = [...this.commits, commits].slice(-COMMITS_KEPT)
  }

  private async spawn(harm: Harm): Promise<NodeProcess> {
    const { folder, world, program, delivery, sessionTimeout } = this.options
    const config = join(folder, 'config')
    await writeConfig(config, {
      brokers: world.brokers,
      dataFolder: join(folder, 'data'),
      isJournalOn: harm !== 'no journal',
      state: harm === 'small memory' ? SMALL_STATE : undefined,
      delivery,
      sessionTimeout,
    })
    this.node = new NodeProcess(program, config)
    return this.node
  }

  private async start(harm: Harm): Promise<NodeProcess> {
    for (let tries = 0; ; tries++) {
      const node = await this.spawn(harm)
      try {
        const url = await within(node.ready, () => `the start of the node\n${node.tail()}`)
        this.options.world.nodeUrl = url
        await within(live(url, node), () => `the replay of the node\n${node.tail()}`)
        return node
      } catch (error) {
        await node.kill()
        if (tries === 2) throw error
        await this.acceptEnd(node, error as Error)
      }
    }
  }

  /** RocksDB may find what was harmed at any time after the start, too: the node ends, and the next one starts afresh. */
  private async acceptEnd(node: NodeProcess, error?: Error): Promise<void> {
    const code = await node.exited
    const isOverDamage = this.isDamaged && code === 1 && DAMAGE_FOUND.test(node.tail())
    if (!isOverDamage) throw error ?? new Error(`the node ended by itself:\n${node.tail()}`)
    this.options.world.nodeUrl = undefined
    this.selfEnded++
  }

  private async harm(harm: Harm): Promise<void> {
    if (await this.isDone(harm)) this.harms.set(harm, this.harms.get(harm)! + 1)
    if (harm === 'none' || harm === 'small memory') await this.copy()
  }

  /** False where there was nothing to do it with. */
  private async isDone(harm: Harm): Promise<boolean> {
    if (harm === 'deleted') {
      await rm(this.journal, { recursive: true, force: true })
      this.isDamaged = false
    } else if (harm === 'truncated') {
      const done = await damageFiles(this.journal, this.random)
      this.isDamaged ||= done.length > 0
      return done.length > 0
    } else if (harm === 'older') {
      if (this.copies.length === 0) return false
      await this.putBack(this.random.pick(this.copies))
    } else if (harm === 'newer') {
      if (this.commits.length < 2) return false
      // The last is what is committed now.
      await this.options.world.rollBack(this.random.pick(this.commits.slice(0, -1)))
    }
    return true
  }

  private async copy(): Promise<void> {
    const folder = join(this.options.folder, 'copies', String(this.made++))
    await cp(this.journal, folder, { recursive: true })
    this.copies.push({ folder, isDamaged: this.isDamaged })
    if (this.copies.length > KEPT) await rm(this.copies.shift()!.folder, { recursive: true })
  }

  private async putBack({ folder, isDamaged }: Run['copies'][number]): Promise<void> {
    await rm(this.journal, { recursive: true, force: true })
    await cp(folder, this.journal, { recursive: true })
    this.isDamaged = isDamaged
  }

  /** The rest of the traffic, and what moves all clocks beyond it; then an end in order. */
  private async finish(flowing: Promise<void>): Promise<void> {
    const { world } = this.options
    let node = await this.start('none')
    const sent = this.sendRest(flowing)
    sent.catch(() => {})
    let changedMs = Date.now()
    let last = ''
    for (;;) {
      const counts = committedLedger(await world.committed(), TOPICS[0])
      if (counts[PENDING] === PARTITIONS && counts[UNDECIDED] === PARTITIONS * 2 && counts[SAMPLES_FIELD] > 0) break
      if (String(counts) !== last) changedMs = Date.now()
      last = String(counts)
      if (!node.isRunning) {
        await this.acceptEnd(node)
        node = await this.start('none')
      }
      if (Date.now() > changedMs + STUCK_MS) {
        const wanted = `${PARTITIONS} pending and ${PARTITIONS * 2} undecided, which move the clocks`
        const harms = this.kills.map(({ harm }) => harm).join(', ')
        throw new Error(
          `not all was sealed, or more than there was: ${counts[PENDING]} pending and ${counts[UNDECIDED]} undecided, not ${wanted}, ` +
            `after ${harms}: ${JSON.stringify(counts)}\n${await this.status()}\n${node.tail()}`,
        )
      }
      const pause = sleep(LOOK_EVERY_MS)
      await Promise.race([sent.then(() => pause), pause])
    }
    await this.end(node)
  }

  private async sendRest(flowing: Promise<void>): Promise<void> {
    const { world } = this.options
    await flowing
    await world.send(this.traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), this.traffic.nowMs + CLOSING_AFTER_MS))
  }
}

/** All partitions are through their replay. A kill during it is `killEarly`'s. */
async function live(url: string, node: NodeProcess): Promise<void> {
  while (node.isRunning) {
    const answer = await fetch(`${url}/ready`).catch(() => undefined)
    if (answer?.ok) return
    await sleep(LOOK_EVERY_MS)
  }
  throw new Error(`the node ended by itself:\n${node.tail()}`)
}

async function within<T>(promise: Promise<T>, what: () => string): Promise<T> {
  const limit = new AbortController()
  const late = sleep(DEADLINE_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`not done in ${DEADLINE_MS} ms: ${what()}`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    limit.abort()
  }
}
