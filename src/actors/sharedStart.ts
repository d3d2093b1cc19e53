/**
 * Starting a partition from a shared snapshot, where that reaches further than its own journal.
 *
 * Invariant: a snapshot that is lost, torn, of an older format, of another pipeline or ahead of the commit is passed over
 * with one log line, and leaves an empty state behind.
 */
import { emptyState } from '../join/empty.ts'
import type { Header } from '../snapshots/format.ts'
import type { FoundSnapshot } from '../snapshots/port.ts'
import { type ReplayProgress, recordsBetween } from './progress.ts'
import type { RebuildOptions, Target } from './rebuild.ts'
import { headerOf, loadSnapshot, refusalOf } from './snapshotLoad.ts'

export interface Usable {
  readonly found: FoundSnapshot
  readonly header: Header
}

export class SharedStart {
  private readonly options: RebuildOptions
  private readonly target: Target
  private readonly progress: ReplayProgress

  constructor(options: RebuildOptions, target: Target, progress: ReplayProgress) {
    this.options = options
    this.target = target
    this.progress = progress
  }

  /** Those that may be used, the newest first. */
  async find(): Promise<readonly Usable[]> {
    const { snapshots, partition, fingerprint, topics } = this.options
    if (snapshots === undefined) return []
    const { offsets, watermarkMs } = this.target
    const usable: Usable[] = []
    try {
      for (const found of await snapshots.store.find(partition)) {
        const header = await headerOf(found).catch((error: Error) => this.passOver(found, error.message))
        if (header === undefined) continue
        const refusal = refusalOf(header, { fingerprint, partition, topics, offsets, watermarkMs })
        if (refusal === undefined) usable.push({ found, header })
        else this.passOver(found, refusal)
      }
    } catch (error) {
      this.options.onNote?.({ error: (error as Error).message }, 'shared snapshots cannot be read')
    }
    return usable
  }

  /** Loads the first that is whole and reaches beyond `coveredTo`, which moves; gives how many users it held. */
  async use(usable: readonly Usable[], coveredTo: Float64Array): Promise<number | undefined> {
    const { offsets, neededFrom } = this.target
    const { store } = this.options.parts
    for (const { found, header } of usable) {
      if (recordsBetween(coveredTo, offsets) <= recordsBetween(header.offsets, offsets)) return undefined
      if (this.options.waiting.isStopped()) return undefined
      await this.empty()
      await store.begin(header.offsets, header.offsets)
      const users = await this.load(found, header).catch((error: Error) => this.passOver(found, error.message))
      if (users !== undefined) {
        coveredTo.set(header.offsets)
        this.options.parts.lateInReplay.startAt(header.highestMs, header.watermarkMs)
        return users
      }
      await this.empty()
      await store.begin(neededFrom)
      coveredTo.set(neededFrom)
      // Whatever a journal told is behind what comes now.
      this.options.parts.lateInReplay.startAt(
        neededFrom.map(() => null),
        null,
      )
    }
    return undefined
  }

  private async load(found: FoundSnapshot, header: Header): Promise<number> {
    const { offsets, neededFrom, quarantine } = this.target
    const { state, store } = this.options.parts
    let users = 0
    this.progress.begin('snapshot', recordsBetween(header.offsets, offsets))
    await loadSnapshot(found, header, {
      state,
      // Below what the commit needs everything is decided: a cold replay would not have it either.
      isLeftOut: (source, offset) => offset < neededFrom[source] || quarantine.has(source, offset),
      peek: (key) => store.peek(key),
      balance: () => {
        store.settle()
        return this.options.memory.balance()
      },
      onUsers: (count) => {
        users = count
      },
      isStopped: () => this.options.waiting.isStopped(),
    })
    return users
  }

  private async empty(): Promise<void> {
    emptyState(this.options.parts.state)
    await this.options.journal.clear()
    this.options.parts.store.reset()
  }

  private passOver({ name }: FoundSnapshot, reason: string): undefined {
    this.options.onNote?.({ snapshot: name, reason }, 'a shared snapshot is passed over')
  }
}
