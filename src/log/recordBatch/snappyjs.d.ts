/** snappyjs ships no types. */
declare module 'snappyjs' {
  export function compress(bytes: Buffer): Buffer
  /** Throws where the stream is invalid or its preamble says more than `maxBytes`. */
  export function uncompress(bytes: Buffer, maxBytes?: number): Buffer
}
