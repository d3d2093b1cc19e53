/** JSON text written into byte buffers: strings from their UTF-8, with what JSON wants escaped. */
import { append, reserve } from './byteBuffer.ts'
import type { ByteBuffer } from './port.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const HEX = Buffer.from('0123456789abcdef')
/** \u001f */
const ESCAPE_BYTES = 6

/** Writes valid UTF-8 as a JSON string. */
export function writeJsonText(out: ByteBuffer, bytes: Uint8Array, at: number, length: number): void {
  reserve(out, length * ESCAPE_BYTES + 2)
  const { buffer } = out
  let end = out.end
  buffer[end++] = QUOTE
  for (let k = at; k < at + length; k++) {
    const byte = bytes[k]
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
      buffer[end++] = byte
      continue
    }
    buffer[end++] = BACKSLASH
    if (byte >= 0x20) buffer[end++] = byte
    else {
      end += buffer.write('u00', end, 'latin1')
      buffer[end++] = HEX[byte >> 4]
      buffer[end++] = HEX[byte & 15]
    }
  }
  buffer[end++] = QUOTE
  out.end = end
}

/** Writes text that is JSON already. */
export function writeRaw(out: ByteBuffer, json: string): void {
  reserve(out, json.length * 3)
  out.end += out.buffer.write(json, out.end)
}

/** Puts JSON that came as bytes where a value is wanted, on one line: line ends can only be space between its tokens. */
export function writeOnOneLine(out: ByteBuffer, bytes: Buffer, at: number, length: number): void {
  const from = out.end
  append(out, bytes, at, length)
  for (let k = from; k < out.end; k++) if (out.buffer[k] === 0x0a || out.buffer[k] === 0x0d) out.buffer[k] = 0x20
}
