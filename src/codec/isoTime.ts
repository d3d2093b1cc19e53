/**
 * ISO-8601 instants, read from their bytes: `2026-01-31T12:00:00.123Z`, with `T` or a space, seconds and fraction
 * optional, and a zone (`Z`, `+02`, `+0200`, `+02:00`).
 *
 * Invariant: what has no zone, or is no date of the calendar, gives NaN: a guess of a zone would move labels.
 * Fractions are cut to whole milliseconds, towards the past.
 */
const ZERO = 0x30
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

export function isoToMs(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length
  // Shortest: 2026-01-31T12:00Z
  if (length < 17 || bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d || bytes[at + 13] !== 0x3a) return Number.NaN
  const separator = bytes[at + 10]
  if (separator !== 0x54 && separator !== 0x74 && separator !== 0x20) return Number.NaN
  const hour = pair(bytes, at + 11, 23)
  const minute = pair(bytes, at + 14, 59)
  const base = dateMs(bytes, at) + hour * 3_600_000 + minute * MINUTE_MS
  let k = at + 16
  let ms = 0
  if (bytes[k] === 0x3a && k + 3 <= end) {
    ms = pair(bytes, k + 1, 59) * 1000
    k += 3
    if (k < end && (bytes[k] === 0x2e || bytes[k] === 0x2c)) {
      const digitsAt = ++k
      for (let scale = 100; k < end && isDigit(bytes[k]); k++, scale /= 10) {
        if (scale >= 1) ms += (bytes[k] - ZERO) * scale
      }
      if (k === digitsAt) return Number.NaN
    }
  }
  return base + ms - zoneMs(bytes, k, end)
}

export function isoTextToMs(text: string): number {
  const bytes = Buffer.from(text)
  return isoToMs(bytes, 0, bytes.length)
}

function dateMs(bytes: Uint8Array, at: number): number {
  const year = pair(bytes, at, 99) * 100 + pair(bytes, at + 2, 99)
  const month = pair(bytes, at + 5, 12)
  const day = pair(bytes, at + 8, 31)
  if (!(month >= 1 && day >= 1)) return Number.NaN
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (day > (leap && month === 2 ? 29 : DAYS[month - 1])) return Number.NaN
  // Days since 1970 in the Gregorian calendar, with years that begin in March.
  const y = month > 2 ? year : year - 1
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return (era * 146_097 + dayOfEra - 719_468) * DAY_MS
}

function zoneMs(bytes: Uint8Array, at: number, end: number): number {
  const left = end - at
  const sign = bytes[at]
  if (left === 1 && (sign === 0x5a || sign === 0x7a)) return 0
  if (sign !== 0x2b && sign !== 0x2d) return Number.NaN
  const colon = left === 6 && bytes[at + 3] === 0x3a
  if (left !== 3 && left !== 5 && !colon) return Number.NaN
  const minutes = left === 3 ? 0 : pair(bytes, at + (colon ? 4 : 3), 59)
  const ms = (pair(bytes, at + 1, 23) * 60 + minutes) * MINUTE_MS
  return sign === 0x2d ? -ms : ms
}

/** Two digits, at most `max`; else NaN. */
function pair(bytes: Uint8Array, at: number, max: number): number {
  if (!isDigit(bytes[at]) || !isDigit(bytes[at + 1])) return Number.NaN
  const n = (bytes[at] - ZERO) * 10 + bytes[at + 1] - ZERO
  return n <= max ? n : Number.NaN
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}
