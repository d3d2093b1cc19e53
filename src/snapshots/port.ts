/**
 * The port of shared snapshots: where nodes put what a partition holds, for whoever has the partition next. It keeps runs
 * of frames (format.ts) and knows nothing of what is in them. Two implementations, `folder.ts` and `topic.ts`, are held to
 * one contract suite (test/contract/snapshots.ts).
 *
 * A snapshot is an accelerator and never the truth: lost, torn and old ones cost time, not labels. So a store may lose
 * what it was given at any moment, but it shows a snapshot whole, or torn in a way that its frames' checksums tell.
 *
 * Which is newer is a matter of when it was published, and not of what it stands for: commits may be taken back, and
 * topics made anew, and then what stands for less is the newer.
 */
export interface SnapshotStore {
  /** Begins one of a partition. One at a time a partition; another that was begun and never published is given up. */
  begin(partition: number): Promise<SnapshotSink>
  /** Those that were published and are kept, the newest first. */
  find(partition: number): Promise<readonly FoundSnapshot[]>
  close(): Promise<void>
}

export interface SnapshotSink {
  /** Takes the next frame; it may be reused when this resolves. */
  write(frame: Buffer): Promise<void>
  /** Makes it visible, durably, with this as its last frame, and removes older ones: the one before is kept. */
  publish(last: Buffer): Promise<void>
  /** It never will be published. */
  abandon(): Promise<void>
}

export interface FoundSnapshot {
  /** What it is called in messages. */
  readonly name: string
  /** Its frames, from the first on; at most two are held. */
  frames(): AsyncIterable<Buffer>
}
