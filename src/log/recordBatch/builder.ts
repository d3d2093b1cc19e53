/** Placeholder of the interface; see the header that replaces this. */
export interface EncodedBatch {
  /** One whole record batch, magic 2, base offset 0. */
  readonly bytes: Buffer
  readonly count: number
}
