/** What completion knows of the cluster: asked now and then, in the background, and picked from answers as they come. */
import type { ClusterAnswer } from '../inspect/cluster.ts'
import type { TailAnswer } from '../inspect/tail.ts'
import type { UsersAnswer } from '../inspect/users.ts'
import type { Ask } from './command.ts'
import { type Known, NOTHING_KNOWN } from './complete.ts'

const FRESH_MS = 10_000
const MOST_KEPT = 200

export class Knowledge {
  known: Known = NOTHING_KNOWN
  private readonly ask: Ask
  private readonly nowMs: () => number
  private askedMs = Number.NEGATIVE_INFINITY
  private asking: Promise<void> = Promise.resolve()

  constructor(ask: Ask, nowMs: () => number) {
    this.ask = ask
    this.nowMs = nowMs
  }

  /** Asks again if what is known is old. What cannot be asked stays as it was. */
  refresh(): Promise<void> {
    if (this.nowMs() - this.askedMs < FRESH_MS) return this.asking
    this.askedMs = this.nowMs()
    this.asking = this.askAll()
    return this.asking
  }

  private async askAll(): Promise<void> {
    const [cluster, users, tail] = await Promise.all([
      this.ask('/cluster').catch(() => undefined) as Promise<ClusterAnswer | undefined>,
      this.ask('/users?limit=50').catch(() => undefined) as Promise<UsersAnswer | undefined>,
      this.ask('/tail?limit=50').catch(() => undefined) as Promise<TailAnswer | undefined>,
    ])
    const samples = [...(tail?.samples ?? [])].reverse().map(({ sample }) => sample)
    const last = samples[0]?.labels as object | undefined
    const { known } = this
    this.known = {
      partitions: cluster === undefined ? known.partitions : numbersTo(cluster.partitionCount),
      users: merged(
        [...samples.map((sample) => String(sample.user_id)), ...(users?.users ?? []).map(({ user }) => user)],
        known.users,
      ),
      samples: merged(
        samples.map((sample) => String(sample.sample_id)),
        known.samples,
      ),
      labels: last === undefined ? known.labels : Object.keys(last),
    }
  }
}

function numbersTo(count: number): string[] {
  return Array.from({ length: count }, (_, k) => String(k))
}

function merged(newer: readonly string[], older: readonly string[]): string[] {
  return [...new Set([...newer, ...older])].slice(0, MOST_KEPT)
}
