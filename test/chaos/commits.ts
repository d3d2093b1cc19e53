/**
 * The group's commits as they were seen while the cluster was harmed, and where the samples' topic ended right after:
 * a commit never goes back, and never stands before samples that are not in the log.
 *
 * Invariant: the commits are asked for first and the ends after, so that what the commit promises must lie below the ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ALLOWED_LATENESS_MS, LONGEST_WINDOW_MS, SAMPLES, TOPICS } from '../support/crashPipeline.ts'
import { type CrashRecords, viewKeyOf } from '../support/crashRead.ts'
import type { CommitState } from '../support/crashWorld.ts'
import type { KafkaWorld } from '../support/kafkaWorld.ts'

/** Of one partition. */
export interface CommitSeen {
  readonly atMs: number
  /** Of the views' topic. */
  readonly offset: number
  readonly watermarkMs: number
  /** Of the samples' topic, later. */
  readonly end: number
}

const ASK_EVERY_MS = 400
const ASK_LIMIT_MS = 10_000

export class Commits {
  /** By partition, as time went on; only what changed. */
  readonly seen: CommitSeen[][] = []
  /** Commits that went back, in words. */
  readonly backwards: string[] = []
  private readonly world: KafkaWorld
  private readonly last = new Map<string, number>()
  private asked = 0
  private isOver = false

  constructor(world: KafkaWorld) {
    this.world = world
  }

  async run(): Promise<void> {
    while (!this.isOver) {
      // Where the broker is down nothing is learned.
      const limit = sleep(ASK_LIMIT_MS)
      await Promise.race([this.ask().catch(() => {}), limit])
      await sleep(ASK_EVERY_MS)
    }
  }

  stop(): void {
    this.isOver = true
  }

  async ask(): Promise<void> {
    const number = ++this.asked
    const commits = await this.world.committed()
    const ends = await this.world.ends(SAMPLES)
    // An answer that came after a later question's is old.
    if (number !== this.asked) return
    for (const commit of commits) {
      const { topic, partition, offset, metadata } = commit
      this.checkForward(`${topic} ${partition}: the offset`, offset)
      if (topic !== TOPICS[0] || metadata === '') continue
      const watermarkMs = watermarkOf(commit)
      this.checkForward(`partition ${partition}: the watermark`, watermarkMs)
      const list = (this.seen[partition] ??= [])
      if (list.at(-1)?.offset === offset && list.at(-1)?.watermarkMs === watermarkMs) continue
      list.push({ atMs: Date.now(), offset, watermarkMs, end: ends[partition] })
    }
  }

  private checkForward(what: string, value: number): void {
    const before = this.last.get(what) ?? value
    if (value < before) this.backwards.push(`${what} went back from ${before} to ${value} at ${Date.now()}`)
    this.last.set(what, value)
  }
}

function watermarkOf({ metadata }: CommitState): number {
  return (JSON.parse(metadata) as { w: number | null }).w ?? Number.NEGATIVE_INFINITY
}

/** Views that a commit took for sealed while no sample of them lay in the log, in words. */
export function notDurable(seen: readonly (readonly CommitSeen[])[], records: CrashRecords): string[] {
  const firstSample = new Map<string, number>()
  for (const { key, record } of records.samples) if (!firstSample.has(key)) firstSample.set(key, record.offset)
  const found: string[] = []
  for (const { source, record, event } of records.events) {
    if (source !== 0 || event.time === undefined || event.time > event.now!) continue
    const deadlineMs = event.time + LONGEST_WINDOW_MS + ALLOWED_LATENESS_MS
    const commit = firstPast(seen[record.partition] ?? [], record.offset, deadlineMs)
    const sample = firstSample.get(viewKeyOf(event)) ?? Number.POSITIVE_INFINITY
    if (commit === undefined || sample < commit.end) continue
    found.push(
      `partition ${record.partition} offset ${record.offset}: sealed by the commit seen at ${commit.atMs}, when the ` +
        `samples' topic ended at ${commit.end}; its sample is at ${sample}`,
    )
  }
  return found
}

/** The first commit that has the view behind it and sealed; offsets and watermarks only grow. */
function firstPast(seen: readonly CommitSeen[], offset: number, deadlineMs: number): CommitSeen | undefined {
  let low = 0
  let high = seen.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (seen[middle].offset > offset && seen[middle].watermarkMs > deadlineMs) high = middle
    else low = middle + 1
  }
  return seen[low]
}
