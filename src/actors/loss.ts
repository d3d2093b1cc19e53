/**
 * Ranges of offsets that were needed and that the log no longer has: named exactly, accepted by whoever starts the node,
 * and declared from then on with every commit.
 */
import { RecoveryError } from './recovery.ts'

export interface LostRange {
  readonly topic: string
  /** Both are lost too. */
  readonly from: number
  readonly to: number
}

export interface AcceptedLoss extends LostRange {
  readonly partition: number
}

/** Declared ranges are kept for ever, within a commit's metadata: beyond it the closest of a topic become one. */
const MOST_RANGES = 8

const ACCEPTED = /^([A-Za-z0-9._-]+):(\d{1,9}):(\d{1,15})-(\d{1,15})$/

/** `topic:partition:from-to`; undefined where it is not that. */
export function parseLoss(text: string): AcceptedLoss | undefined {
  const [, topic, partition, from, to] = ACCEPTED.exec(text) ?? []
  if (topic === undefined || Number(from) > Number(to)) return undefined
  return { topic, partition: Number(partition), from: Number(from), to: Number(to) }
}

export function formatLoss({ topic, partition, from, to }: AcceptedLoss): string {
  return `${topic}:${partition}:${from}-${to}`
}

/** What is missing below `lows` of what has to be read from `from` on. */
export function missingRanges(
  topics: readonly string[],
  from: ArrayLike<number>,
  lows: readonly number[],
): LostRange[] {
  return topics.flatMap((topic, source) =>
    from[source] < lows[source] ? [{ topic, from: from[source], to: lows[source] - 1 }] : [],
  )
}

/** From this offset on, past what was declared lost: nobody has it, and it was accepted that nobody needs it. */
export function pastLost(topic: string, offset: number, lost: readonly LostRange[]): number {
  return lost.reduce(
    (at, range) => (range.topic === topic && range.from <= at && at <= range.to ? range.to + 1 : at),
    offset,
  )
}

/** Throws a RecoveryError that names what is missing, unless exactly that was accepted. */
export function checkLoss(missing: readonly LostRange[], partition: number, accepted: readonly AcceptedLoss[]): void {
  const own = accepted.filter((loss) => loss.partition === partition)
  const isAccepted = ({ topic, from, to }: LostRange): boolean =>
    own.some((loss) => loss.topic === topic && loss.from === from && loss.to === to)
  const left = missing.filter((range) => !isAccepted(range))
  if (left.length === 0) return
  const ranges = left.map(({ topic, from, to }) => `${topic} partition ${partition}: offsets ${from} to ${to}`)
  const flags = missing.map(({ topic, from, to }) => `--accept-loss ${topic}:${partition}:${from}-${to}`)
  const other = own.filter(({ topic }) => left.some((range) => range.topic === topic))
  const refused = other.map(
    ({ topic, from, to }) => ` ${topic}:${partition}:${from}-${to} was accepted, which is another.`,
  )
  throw new RecoveryError(
    `${ranges.join('; ')} are needed and no longer in the log (retention has passed them). Nothing was committed.` +
      `${refused.join('')} Lengthen the retention beyond the longest window; to go on without these events: ${flags.join(' ')}`,
  )
}

/** Declared before, and now; ranges that touch are one. */
export function mergeLost(before: readonly LostRange[], now: readonly LostRange[]): LostRange[] {
  const merged: LostRange[] = []
  const sorted = [...before, ...now].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.from - b.from))
  for (const range of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && last.topic === range.topic && range.from <= last.to + 1) {
      merged[merged.length - 1] = { ...last, to: Math.max(last.to, range.to) }
    } else merged.push(range)
  }
  while (merged.length > MOST_RANGES && joinClosest(merged));
  return merged
}

/** False where no two ranges are of one topic. */
function joinClosest(ranges: LostRange[]): boolean {
  let closest = -1
  for (let k = 1; k < ranges.length; k++) {
    if (ranges[k].topic !== ranges[k - 1].topic) continue
    if (closest < 0 || gapBefore(ranges, k) < gapBefore(ranges, closest)) closest = k
  }
  if (closest < 0) return false
  ranges.splice(closest - 1, 2, { ...ranges[closest - 1], to: ranges[closest].to })
  return true
}

function gapBefore(ranges: readonly LostRange[], k: number): number {
  return ranges[k].from - ranges[k - 1].to
}
