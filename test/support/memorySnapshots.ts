/** Shared snapshots in memory: the honest twin of the stores, for tests. Keeps two, as they do. */
import type { FoundSnapshot, SnapshotSink, SnapshotStore } from '../../src/snapshots/port.ts'

import type { Random } from './random.ts'

export interface KeptSnapshot {
  readonly frames: readonly Buffer[]
}

export class MemorySnapshots implements SnapshotStore {
  published: readonly KeptSnapshot[]

  constructor(published: readonly KeptSnapshot[] = []) {
    this.published = published
  }

  async begin(): Promise<SnapshotSink> {
    const frames: Buffer[] = []
    return {
      write: async (frame) => void frames.push(Buffer.from(frame)),
      publish: async (last) => {
        this.published = [{ frames: [...frames, Buffer.from(last)] }, ...this.published].slice(0, 2)
      },
      abandon: async () => {},
    }
  }

  async find(): Promise<readonly FoundSnapshot[]> {
    return this.published.map(({ frames }, age) => ({
      name: `in memory, ${age} before the newest`,
      frames: async function* () {
        yield* frames
      },
    }))
  }

  /** One byte of the newest is another. */
  damage(random: Random): void {
    const [newest, ...older] = this.published
    if (newest === undefined) return
    const frames = newest.frames.map((frame) => Buffer.from(frame))
    const frame = random.pick(frames)
    frame[random.below(frame.length)] ^= 1 + random.below(255)
    this.published = [{ ...newest, frames }, ...older]
  }

  async close(): Promise<void> {}
}
