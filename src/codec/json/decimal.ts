/** JSON's numbers read from their text: 64-bit integers checked digit by digit, times shifted to milliseconds exactly. */
const ZERO = 0x30
const MINUS = 0x2d
const MAX_INT64 = Buffer.from('9223372036854775807')
const MIN_INT64 = Buffer.from('9223372036854775808')
/** More digits cannot be a safe integer. */
const SAFE_DIGITS = 16
const MAX_EXPONENT = 100_000

/** Whether an integer's text (of JSON's grammar: no leading zeros) fits 64 bits. */
export function fitsInt64(bytes: Uint8Array, at: number, end: number): boolean {
  const negative = bytes[at] === MINUS
  const from = negative ? at + 1 : at
  const limit = negative ? MIN_INT64 : MAX_INT64
  if (end - from !== limit.length) return end - from < limit.length
  for (let k = 0; k < limit.length; k++) {
    if (bytes[from + k] !== limit[k]) return bytes[from + k] < limit[k]
  }
  return true
}

/** A number's value; fast for the integers that most are. */
export function numberOf(bytes: Uint8Array, at: number, end: number, isInteger: boolean): number {
  if (!isInteger || end - at >= SAFE_DIGITS) return Number((bytes as Buffer).toString('latin1', at, end))
  const negative = bytes[at] === MINUS
  let n = 0
  for (let k = negative ? at + 1 : at; k < end; k++) n = n * 10 + bytes[k] - ZERO
  return negative ? -n : n
}

/** floor(the number * 10^shift), exactly; NaN where that is beyond 2^53. */
export function shiftedFloor(bytes: Uint8Array, at: number, end: number, shift: number): number {
  const negative = bytes[at] === MINUS
  const from = negative ? at + 1 : at
  const mantissaEnd = findExponent(bytes, from, end)
  let point = mantissaEnd
  for (let k = from; k < mantissaEnd; k++) if (bytes[k] === 0x2e) point = k
  // Digits before the decimal point once it is moved.
  const whole = point - from + shift + exponentOf(bytes, mantissaEnd, end)
  let n = 0
  let rest = false
  let seen = 0
  for (let k = from; k < mantissaEnd; k++) {
    if (k === point) continue
    const digit = bytes[k] - ZERO
    if (seen++ < whole) {
      n = n * 10 + digit
      if (n > Number.MAX_SAFE_INTEGER) return Number.NaN
    } else if (digit !== 0) rest = true
  }
  for (; seen < whole && n > 0; seen++) {
    n *= 10
    if (n > Number.MAX_SAFE_INTEGER) return Number.NaN
  }
  if (!negative) return n
  const floor = rest ? -n - 1 : -n
  return floor === 0 ? 0 : floor
}

function findExponent(bytes: Uint8Array, at: number, end: number): number {
  for (let k = at; k < end; k++) if ((bytes[k] | 0x20) === 0x65) return k
  return end
}

function exponentOf(bytes: Uint8Array, at: number, end: number): number {
  if (at === end) return 0
  const sign = bytes[at + 1]
  let exponent = 0
  for (let k = sign === MINUS || sign === 0x2b ? at + 2 : at + 1; k < end; k++) {
    exponent = Math.min(exponent * 10 + bytes[k] - ZERO, MAX_EXPONENT)
  }
  return sign === MINUS ? -exponent : exponent
}
