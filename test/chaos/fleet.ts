/**
 * The cluster's nodes as processes, each with a data folder and a log file of its own: started, killed, frozen, ended.
 *
 * Owns: every process that it starts; `end` leaves none.
 * How it fails: a node that ends by itself is told to `onEnded` with the end of its log. Only where a journal was damaged
 * may a start find it so and end: then it is started again, as whoever looks after a process would do.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Delivery, GROUP, writeConfig } from '../support/crashPipeline.ts'
import { DAMAGE_FOUND, damageFiles } from '../support/damage.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import type { Random } from '../support/random.ts'

export interface FleetOptions {
  readonly program: string
  readonly folder: string
  readonly brokers: string
  readonly delivery: Delivery
  /** The folder to which nodes share snapshots. */
  readonly share: string
  /** Further keys of a node's node.yaml. */
  readonly node: (id: string) => object
  readonly onEnded: (error: Error) => void
}

/** `starting` until the node has its first assignment. */
export type MemberState = 'down' | 'starting' | 'up' | 'frozen'

export interface Member {
  readonly id: string
  readonly state: MemberState
  /** Of the running process; 0 where there is none. */
  readonly pid: number
  readonly url: string | undefined
}

const START_TRIES = 3

export class Fleet {
  /** Starts that found a damaged journal and ended over it. */
  selfEnded = 0
  private readonly options: FleetOptions
  private readonly nodes = new Map<string, FleetNode>()

  constructor(options: FleetOptions) {
    this.options = options
  }

  get members(): readonly Member[] {
    return [...this.nodes.values()]
  }

  member(id: string): Member {
    return this.node(id)
  }

  /** Resolves when the node has its first assignment; at once where it was killed meanwhile. */
  async start(id: string): Promise<void> {
    const node = this.node(id)
    if (node.state !== 'down') throw new Error(`${id} is ${node.state} already`)
    const { folder, brokers, delivery, program } = this.options
    const config = join(folder, 'config', id)
    node.state = 'starting'
    const life = ++node.life
    await writeConfig(config, {
      brokers,
      dataFolder: this.dataFolder(id),
      isJournalOn: true,
      delivery,
      node: this.options.node(id),
    })
    await mkdir(join(folder, 'logs'), { recursive: true })
    node.log ??= createWriteStream(join(folder, 'logs', `${id}.log`), { flags: 'a' })
    // Killed by a fault before it was there.
    if (node.life !== life) return
    const isDamaged = node.isDamaged
    node.isDamaged = false
    for (let tries = 1; ; tries++) {
      const process = new NodeProcess(program, config, id, (line) => void node.log?.write(`${line}\n`))
      node.process = process
      try {
        node.url = await process.ready
        if (node.process !== process) return
        node.state = 'up'
        void process.exited.then((code) => this.ended(node, process, code, isDamaged))
        return
      } catch (error) {
        // Killed by a fault meanwhile.
        if (node.process !== process) return
        if (!isDamaged || !/journal/.test((error as Error).message) || tries === START_TRIES) throw error
        this.selfEnded++
      }
    }
  }

  /** kill -9, whatever it is doing. */
  async kill(id: string): Promise<void> {
    await this.leave(id)?.kill()
  }

  /** SIGTERM; resolves with the exit code, or the signal that ended it instead, when the process is gone. */
  async stop(id: string): Promise<number | NodeJS.Signals | null> {
    const process = this.leave(id)
    return process === undefined ? 0 : ((await process.terminate()) ?? process.endedBy)
  }

  freeze(id: string): void {
    const node = this.node(id)
    node.process?.signal('SIGSTOP')
    node.state = 'frozen'
  }

  thaw(id: string): void {
    const node = this.node(id)
    node.process?.signal('SIGCONT')
    node.state = 'up'
  }

  /** Of a node that is down. */
  async deleteJournal(id: string): Promise<void> {
    await rm(this.journal(id), { recursive: true, force: true })
  }

  /** Of a node that is down. Returns what was done. */
  async damageJournal(id: string, random: Random): Promise<readonly string[]> {
    const done = await damageFiles(this.journal(id), random)
    if (done.length > 0) this.node(id).isDamaged = true
    return done
  }

  /** What its owners have shared of these partitions, while others may be sharing more. */
  async deleteSnapshots(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) await rm(this.snapshots(partition), { recursive: true, force: true })
  }

  /** Returns what was done. */
  async damageSnapshots(partitions: readonly number[], random: Random): Promise<readonly string[]> {
    const done: string[] = []
    for (const partition of partitions) {
      try {
        for (const one of await damageFiles(this.snapshots(partition), random)) done.push(`${partition}: ${one}`)
      } catch (error) {
        // The next one took its place meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    return done
  }

  tail(id: string): string {
    return this.node(id).process?.tail() ?? ''
  }

  async end(): Promise<void> {
    for (const { id, state } of this.members) if (state === 'frozen') this.thaw(id)
    await Promise.all(this.members.map(({ id }) => this.kill(id)))
    for (const { log } of this.nodes.values()) log?.end()
  }

  private dataFolder(id: string): string {
    return join(this.options.folder, 'data', id)
  }

  private journal(id: string): string {
    return join(this.dataFolder(id), 'journal')
  }

  private snapshots(partition: number): string {
    return join(this.options.share, GROUP, String(partition))
  }

  private node(id: string): FleetNode {
    const known = this.nodes.get(id) ?? new FleetNode(id)
    this.nodes.set(id, known)
    return known
  }

  /** From here on its end is nobody's fault. */
  private leave(id: string): NodeProcess | undefined {
    const node = this.node(id)
    const { process } = node
    node.process = undefined
    node.url = undefined
    node.state = 'down'
    node.life++
    return process
  }

  /** RocksDB may find what was harmed in the background, after the start: the node ends, and the next one starts afresh. */
  private ended(node: FleetNode, process: NodeProcess, code: number | null, wasDamaged: boolean): void {
    if (node.process !== process) return
    if (wasDamaged && code === 1 && DAMAGE_FOUND.test(process.tail())) {
      this.selfEnded++
      this.leave(node.id)
      this.start(node.id).catch((error: Error) => this.options.onEnded(error))
      return
    }
    this.options.onEnded(new Error(`${node.id} ended by itself with ${code}:\n${process.tail()}`))
  }
}

class FleetNode implements Member {
  readonly id: string
  state: MemberState = 'down'
  /** Counts its starts and ends. */
  life = 0
  url: string | undefined
  process: NodeProcess | undefined
  log: WriteStream | undefined
  /** Its journal was harmed since it ran last. */
  isDamaged = false

  constructor(id: string) {
    this.id = id
  }

  get pid(): number {
    return this.process?.pid ?? 0
  }
}
