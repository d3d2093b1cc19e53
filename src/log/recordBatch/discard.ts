/**
 * Gives large memory back at once, where V8 would keep it until some 60 MB of the kind have gathered.
 *
 * For buffers that nobody looks into any more: they are empty afterwards, and so is whatever shares their memory. Those
 * that have their memory not for themselves (Node cuts small buffers out of one) are left alone.
 */
interface Transferable {
  /** Since Node 21: before that, the collector does it in its time. */
  transfer?(byteLength: number): ArrayBuffer
}

export function discard(bytes: Buffer): void {
  const memory = bytes.buffer as Transferable & ArrayBufferLike
  if (bytes.length > 0 && bytes.length === memory.byteLength) memory.transfer?.(0)
}
