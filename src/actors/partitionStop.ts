/**
 * What one partition cannot go on over, until a person decides: the node's others do.
 *
 * Invariant: it is thrown between two batches, so that what the partition has joined by then is whole and may be committed;
 * or before it is live, when nothing is captured of it (RecoveryError).
 */
export class PartitionStop extends Error {
  override name = 'PartitionStop'
}
