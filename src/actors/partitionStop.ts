/**
 * What one partition cannot go on over, until a person decides: the node's others do.
 *
 * Invariant: it is thrown between two batches. What the partition has joined by then is whole, and may be committed.
 */
export class PartitionStop extends Error {
  override name = 'PartitionStop'
}
