/** Numbers as people read them. Null and undefined are what is not known: a dash. */
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
]

const isKnown = (value) => value !== null && value !== undefined && Number.isFinite(Number(value))

export const count = (value) => (isKnown(value) ? whole.format(value) : '–')
export const short = (value) =>
  isKnown(value) ? (Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value)) : '–'

/** 250 ms, 1.5 s, 2 m 5 s, 3 h 20 m: two units at most. */
export function duration(ms) {
  if (!isKnown(ms)) return '–'
  if (ms < 0) return `−${duration(-ms)}`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10} s`
  const k = UNITS.findIndex(([size]) => ms >= size)
  const [size, name] = UNITS[k]
  const next = UNITS[k + 1]
  if (next === undefined) return `${Math.floor(ms / size)} ${name}`
  const rest = Math.floor((ms % size) / next[0])
  return `${Math.floor(ms / size)} ${name}${rest === 0 ? '' : ` ${rest} ${next[1]}`}`
}

/** After (or before) a moment: +5 s, −2 s. */
export const after = (ms) => (isKnown(ms) ? `${ms < 0 ? '−' : '+'}${duration(Math.abs(ms))}` : '–')

export function bytes(value) {
  if (!isKnown(value)) return '–'
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let k = 0
  let left = value
  while (left >= 1024 && k < names.length - 1) {
    left /= 1024
    k++
  }
  return `${left < 10 && k > 0 ? left.toFixed(1) : Math.round(left)} ${names[k]}`
}

export const share = (part, total) =>
  total > 0 ? `${((part / total) * 100).toFixed(part === total || part === 0 ? 0 : 1)} %` : '–'

/** In UTC, as everything that Postview prints. */
export const time = (ms) => (isKnown(ms) ? new Date(Number(ms)).toISOString().slice(0, 19).replace('T', ' ') : '–')
export const clock = (ms) => (isKnown(ms) ? new Date(Number(ms)).toISOString().slice(11, 23) : '–')

/** A label's value: null where nothing counted and none was asked for. */
export const value = (of) =>
  of === null || of === undefined ? 'null' : Number.isInteger(of) ? String(of) : String(Math.round(of * 1000) / 1000)
