/**
 * 64-bit integers between decimal text, varints and numbers, exact and without objects.
 *
 * Invariant: an integer within +-(2^53 - 1) is a number; one beyond is a sign and a magnitude of two 32-bit words.
 */
import type { ByteBuffer } from './port.ts'

export const MAX_DECIMAL_BYTES = 20
export const MAX_VARINT_BYTES = 10
const WORD = 0x1_0000_0000
const BILLION = 1e9
const MILLION = 1e6
const MINUS = 0x2d
const ZERO = 0x30

/** Writes a safe integer's decimal text and returns where it ends. */
export function writeDecimal(text: Uint8Array, at: number, n: number): number {
  if (n < 0) {
    text[at] = MINUS
    return writeDigits(text, at + 1, -n)
  }
  return writeDigits(text, at, n)
}

/** Writes the text of an integer beyond 2^53: `high` and `low` are its magnitude's words, `high` at most 2^31. */
export function writeWideDecimal(text: Uint8Array, at: number, negative: boolean, high: number, low: number): number {
  let end = at
  if (negative) text[end++] = MINUS
  // high * 2^32 + low, divided by 10^6 in two exact steps: both parts stay under 2^53.
  const upper = Math.floor(high / MILLION)
  const rest = (high - upper * MILLION) * WORD + low
  const quotient = Math.floor(rest / MILLION)
  end = writeDigits(text, end, upper * WORD + quotient)
  return writePadded(text, end, rest - quotient * MILLION, 6)
}

function writeDigits(text: Uint8Array, at: number, n: number): number {
  if (n < BILLION) return writeSmall(text, at, n)
  const upper = Math.floor(n / BILLION)
  return writePadded(text, writeSmall(text, at, upper), n - upper * BILLION, 9)
}

function writeSmall(text: Uint8Array, at: number, n: number): number {
  let digits = 1
  for (let limit = 10; n >= limit && digits < 10; limit *= 10) digits++
  return writePadded(text, at, n, digits)
}

function writePadded(text: Uint8Array, at: number, n: number, digits: number): number {
  let rest = n | 0
  for (let k = at + digits - 1; k >= at; k--) {
    const tenth = (rest / 10) | 0
    text[k] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}

/** Writes a safe integer as a zig-zag varint. The caller has made room for MAX_VARINT_BYTES. */
export function writeVarint(out: ByteBuffer, n: number): void {
  const { buffer } = out
  let at = out.end
  if (n >= -0x4000_0000 && n < 0x4000_0000) {
    let raw = ((n << 1) ^ (n >> 31)) >>> 0
    while (raw >= 0x80) {
      buffer[at++] = (raw & 0x7f) | 0x80
      raw >>>= 7
    }
    buffer[at++] = raw
    out.end = at
    return
  }
  const magnitude = n < 0 ? -n : n
  const high = Math.floor(magnitude / WORD)
  writeWideVarint(out, n < 0, high, magnitude - high * WORD)
}

function writeWideVarint(out: ByteBuffer, negative: boolean, high: number, low: number): void {
  const { buffer } = out
  let at = out.end
  // Zig-zag: 2m for m >= 0, 2m - 1 for -m.
  let rawLow = (low << 1) >>> 0
  let rawHigh = ((high << 1) | (low >>> 31)) >>> 0
  if (negative) {
    if (rawLow === 0) rawHigh = (rawHigh - 1) >>> 0
    rawLow = (rawLow - 1) >>> 0
  }
  while (rawHigh !== 0 || rawLow >= 0x80) {
    buffer[at++] = (rawLow & 0x7f) | 0x80
    rawLow = ((rawLow >>> 7) | (rawHigh << 25)) >>> 0
    rawHigh >>>= 7
  }
  buffer[at++] = rawLow
  out.end = at
}

/** Writes the integer whose decimal text lies at `at` (as writeDecimal made it: 64 bits) as a zig-zag varint. */
export function writeDecimalAsVarint(out: ByteBuffer, text: Uint8Array, at: number, length: number): void {
  const negative = text[at] === MINUS
  const end = at + length
  let upper = 0
  let k = negative ? at + 1 : at
  // 15 digits fit a number exactly; a 64-bit integer has at most four more.
  for (const stop = Math.min(end, k + 15); k < stop; k++) upper = upper * 10 + text[k] - ZERO
  if (k === end) {
    writeVarint(out, negative ? -upper : upper)
    return
  }
  let rest = 0
  let scale = 1
  for (; k < end; k++) {
    rest = rest * 10 + text[k] - ZERO
    scale *= 10
  }
  const upperHigh = Math.floor(upper / WORD)
  const low = (upper - upperHigh * WORD) * scale + rest
  const carry = Math.floor(low / WORD)
  writeWideVarint(out, negative, upperHigh * scale + carry, low - carry * WORD)
}
