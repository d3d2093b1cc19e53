/**
 * A view's identity, which is its sample id (SEMANTICS.md section 1): its own id, or `user:item:milliseconds` with `%`
 * and `:` in the parts percent-encoded. Changing this changes sample ids.
 */
import type { EventBatch } from './event.ts'

const PERCENT = 0x25
const COLON = 0x3a

/** Where a view's identity lies: refilled by `identify`. */
export class Identity {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  length = 0
  private scratch = Buffer.allocUnsafe(1024)

  identify(batch: EventBatch, i: number): void {
    if (batch.viewIdLength[i] >= 0) {
      this.bytes = batch.text
      this.at = batch.viewIdAt[i]
      this.length = batch.viewIdLength[i]
      return
    }
    const need = 3 * (batch.userLength[i] + batch.itemLength[i]) + 32
    if (need > this.scratch.length) this.scratch = Buffer.allocUnsafe(need)
    let end = this.encode(batch.text, batch.userAt[i], batch.userLength[i], 0)
    this.scratch[end++] = COLON
    end = this.encode(batch.text, batch.itemAt[i], batch.itemLength[i], end)
    this.scratch[end++] = COLON
    end += this.scratch.write(String(batch.timeMs[i]), end, 'latin1')
    this.bytes = this.scratch
    this.at = 0
    this.length = end
  }

  private encode(text: Uint8Array, at: number, length: number, to: number): number {
    const out = this.scratch
    let end = to
    for (let k = at; k < at + length; k++) {
      const byte = text[k]
      if (byte === PERCENT || byte === COLON) {
        out[end++] = PERCENT
        out[end++] = byte === PERCENT ? 0x32 : 0x33
        out[end++] = byte === PERCENT ? 0x35 : 0x41
      } else {
        out[end++] = byte
      }
    }
    return end
  }
}
