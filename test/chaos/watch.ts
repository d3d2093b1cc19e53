/**
 * What the nodes say of themselves, asked for again and again: who has which partitions live, whether samples come, how
 * long a partition took to come from another node after a fault.
 *
 * Owns: the last look at each process, and the takeovers that are awaited.
 * Invariant: a partition emits when its node's count of samples was seen to grow; a restored count is no growth.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet, Member } from './fleet.ts'

export interface PartitionLook {
  readonly isLive: boolean
  readonly samples: number
  readonly pending: number
  /** When samples were last seen to have grown; 0: never. */
  readonly grewAtMs: number
}

export interface NodeLook {
  readonly id: string
  readonly pid: number
  readonly atMs: number
  readonly lag: number | null
  readonly partitions: ReadonlyMap<number, PartitionLook>
}

/** A partition that was taken from a process, and is to come from another. */
export interface Takeover {
  readonly fault: number
  readonly partition: number
  readonly fromPid: number
  readonly atMs: number
  /** Undefined until it was seen live and emitting elsewhere. */
  tookMs: number | undefined
}

interface Status {
  readonly partitions: readonly { partition: number; state: string; pendingViews: number; startedFrom: string }[]
  readonly totals: { readonly lag: number | null }
  readonly memory: { readonly rssBytes: number }
}

interface Ledger {
  readonly partitions: readonly { partition: number; samples: number }[]
  readonly balances: boolean
  readonly imbalance: readonly unknown[]
}

const LOOK_EVERY_MS = 200
const ASK_LIMIT_MS = 2_000

export class Watch {
  readonly takeovers: Takeover[] = []
  /** Of all processes at all times. */
  mostResidentBytes = 0
  /** Partitions of processes that were seen live, by what they were rebuilt from. */
  readonly startedFrom = new Map<string, Set<string>>()
  /** Ledgers that did not balance, in words. */
  readonly unbalanced: string[] = []
  private readonly fleet: Fleet
  private readonly looks = new Map<string, NodeLook>()
  private readonly loops = new Set<string>()
  private isOver = false

  constructor(fleet: Fleet) {
    this.fleet = fleet
  }

  /** The last look at the process that runs now; undefined where it was not asked yet. */
  lookAt({ id, pid }: Member): NodeLook | undefined {
    const look = this.looks.get(id)
    return look?.pid === pid ? look : undefined
  }

  /** The nodes that say that the partition is theirs and live. */
  ownersOf(partition: number): readonly NodeLook[] {
    return this.up().flatMap((member) => {
      const look = this.lookAt(member)
      return look?.partitions.get(partition)?.isLive ? [look] : []
    })
  }

  /** What keeps the cluster from rest: each partition live at one node, seen and emitting since then. Empty: it rests. */
  unrest(partitions: number, sinceMs: number): string[] {
    const found: string[] = []
    for (const member of this.up()) {
      if ((this.lookAt(member)?.atMs ?? 0) <= sinceMs) found.push(`${member.id} has not answered`)
    }
    for (let partition = 0; partition < partitions; partition++) {
      const owners = this.ownersOf(partition)
      if (owners.length !== 1) {
        found.push(`partition ${partition} is live on ${owners.map(({ id }) => id).join(' and ') || 'no node'}`)
      } else if (owners[0].partitions.get(partition)!.grewAtMs <= sinceMs) {
        found.push(`partition ${partition} on ${owners[0].id} makes no samples`)
      }
    }
    return found
  }

  expectTakeover(takeover: Omit<Takeover, 'tookMs'>): Takeover {
    const awaited = { ...takeover, tookMs: undefined }
    this.takeovers.push(awaited)
    return awaited
  }

  /** Starts to ask the members that came to be; each has a loop of its own, so that a slow one holds nobody up. */
  async run(): Promise<void> {
    while (!this.isOver) {
      for (const { id } of this.fleet.members) {
        if (this.loops.has(id)) continue
        this.loops.add(id)
        void this.watch(id)
      }
      await sleep(LOOK_EVERY_MS)
    }
  }

  stop(): void {
    this.isOver = true
  }

  private up(): readonly Member[] {
    return this.fleet.members.filter(({ state }) => state === 'up')
  }

  private async watch(id: string): Promise<void> {
    while (!this.isOver) {
      const { state, url, pid } = this.fleet.member(id)
      if (state === 'up' && url !== undefined) await this.look(id, pid, url).catch(() => {})
      await sleep(LOOK_EVERY_MS)
    }
  }

  private async look(id: string, pid: number, url: string): Promise<void> {
    const ask = async <T>(path: string): Promise<T> => {
      const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(ASK_LIMIT_MS) })
      return (await answer.json()) as T
    }
    const status = await ask<Status>('/status')
    const ledger = await ask<Ledger>('/ledger')
    const before = this.looks.get(id)
    const atMs = Date.now()
    const samples = new Map(ledger.partitions.map((each) => [each.partition, each.samples]))
    const partitions = new Map<number, PartitionLook>()
    for (const { partition, state, pendingViews, startedFrom } of status.partitions) {
      if (state === 'live') this.noteStart(startedFrom, `${pid} ${partition}`)
      const known = before?.pid === pid ? before.partitions.get(partition) : undefined
      const now = samples.get(partition) ?? 0
      const grew = known?.isLive && now > known.samples
      const grewAtMs = grew ? atMs : (known?.grewAtMs ?? 0)
      partitions.set(partition, { isLive: state === 'live', samples: now, pending: pendingViews, grewAtMs })
    }
    this.looks.set(id, { id, pid, atMs, lag: status.totals.lag, partitions })
    this.mostResidentBytes = Math.max(this.mostResidentBytes, status.memory.rssBytes)
    if (!ledger.balances) this.unbalanced.push(`${id}: ${JSON.stringify(ledger.imbalance)}`)
    this.settle(atMs)
  }

  private noteStart(from: string, place: string): void {
    const places = this.startedFrom.get(from) ?? new Set()
    this.startedFrom.set(from, places.add(place))
  }

  private settle(atMs: number): void {
    for (const takeover of this.takeovers) {
      if (takeover.tookMs !== undefined) continue
      const isTaken = this.ownersOf(takeover.partition).some(
        ({ pid, partitions }) =>
          pid !== takeover.fromPid && partitions.get(takeover.partition)!.grewAtMs > takeover.atMs,
      )
      if (isTaken) takeover.tookMs = atMs - takeover.atMs
    }
  }
}
