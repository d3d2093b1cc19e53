/**
 * Durations, sizes and counts as they are written in the configuration: a number and a unit, such as `10m`, `64MiB`
 * and `100k`. A bare number is refused where it would leave open what it counts; 0 needs no unit.
 */
const DURATION_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const SIZE_BYTES = new Map([
  ['B', 1],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
])

const COUNT_FACTOR = new Map([
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
])

/** Milliseconds, or undefined where the text is no duration. */
export function parseDuration(value: unknown): number | undefined {
  return parseQuantity(value, DURATION_MS)
}

/** Bytes, or undefined where the text is no size. */
export function parseSize(value: unknown): number | undefined {
  return parseQuantity(value, SIZE_BYTES)
}

export function parseCount(value: unknown): number | undefined {
  return parseQuantity(typeof value === 'number' ? String(value) : value, COUNT_FACTOR)
}

function parseQuantity(value: unknown, units: ReadonlyMap<string, number>): number | undefined {
  if (value === 0) return 0
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(value.trim())
  if (match === null) return undefined
  const factor = units.get(match[2]) ?? (Number(match[1]) === 0 && match[2] === '' ? 1 : undefined)
  if (factor === undefined) return undefined
  const amount = Math.round(Number(match[1]) * factor)
  return Number.isSafeInteger(amount) ? amount : undefined
}
