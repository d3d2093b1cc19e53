/** Numbers as people read them. Pure. */
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
const counts = new Intl.NumberFormat('en-US')

export const UNKNOWN = '-'

export function formatCount(count: number | null): string {
  return count === null ? UNKNOWN : counts.format(count)
}

export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit]}`
}

/** The two largest units: 3d 4h, 12m 5s, 1.2s, 40ms. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return UNKNOWN
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.floor(ms / 1000)
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ]
  if (d > 0) return `${d}d ${h}h`
  return h > 0 ? `${h}h ${m}m` : `${m}m ${s}s`
}

export function formatTime(ms: number | null): string {
  // Beyond what a Date can hold, the number itself says more.
  if (ms === null) return UNKNOWN
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
