/**
 * Gives large memory back at once, where V8 would keep it until some 60 MB of the kind have gathered.
 *
 * For buffers that nobody looks into any more: they are empty afterwards, and so is whatever shares their memory. Those
 * that have their memory not for themselves (Node cuts small buffers out of one) are left alone.
 */
import { MessageChannel } from 'node:worker_threads'

interface Transferable {
  /** Since Node 21. */
  transfer?(byteLength: number): ArrayBuffer
}

/** Hands the memory over to a port that is closed: Node 20 has no better way. What an addon made it leaves as it is. */
const toNobody = 'transfer' in ArrayBuffer.prototype ? undefined : closedPort()

export function discard(bytes: Buffer): void {
  const memory = bytes.buffer as ArrayBuffer & Transferable
  if (bytes.length === 0 || bytes.length !== memory.byteLength) return
  if (toNobody === undefined) memory.transfer!(0)
  else toNobody.postMessage(null, [memory])
}

function closedPort(): MessageChannel['port1'] {
  const { port1 } = new MessageChannel()
  port1.close()
  return port1
}
