/**
 * When engagements of a type come after their view: most soon, some at the very ends of windows and just beyond, where
 * an error of one would show.
 */
import type { GenerateOptions } from './event.ts'
import type { Random } from './random.ts'

const MAX_ENGAGEMENTS = 4
const MORE_SHARE = 0.3

/** Whole multiples of the resolution; below 0 only within the tolerance. */
export function planDelays(type: string, options: GenerateOptions, random: Random): number[] {
  const windows = options.labels.filter((label) => label.on === type).map((label) => label.withinMs)
  if (windows.length === 0) windows.push(Math.max(...options.labels.map((label) => label.withinMs)))
  const delays = [delay(windows, options, random)]
  while (delays.length < MAX_ENGAGEMENTS && random.chance(MORE_SHARE)) delays.push(delay(windows, options, random))
  return delays
}

function delay(windows: readonly number[], options: GenerateOptions, random: Random): number {
  const { resolutionMs, clockSkewToleranceMs } = options
  const windowMs = windows[random.below(windows.length)]
  const whole = (ms: number) => Math.floor(ms / resolutionMs) * resolutionMs
  const kind = random.share()
  if (kind < 0.05) return -whole(random.below(clockSkewToleranceMs + 1)) + 0
  if (kind < 0.08) return whole(windowMs)
  if (kind < 0.11) return whole(windowMs) + resolutionMs
  if (kind < 0.2) return whole(random.below(1.3 * windowMs))
  return whole(windowMs * random.share() ** 3)
}
