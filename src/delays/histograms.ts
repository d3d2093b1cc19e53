/**
 * What a node has observed of delays: one histogram a group, in milliseconds (HDR: three significant digits), and how
 * many views were sealed meanwhile. Histograms of several nodes are added.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import type { DelayGroup } from './groups.ts'

const DIGITS = 3

/** As it travels between nodes and commands. */
export interface EncodedGroup extends DelayGroup {
  readonly histogram: string
}

export class DelayHistograms {
  sealedViews = 0
  readonly groups: readonly DelayGroup[]
  private readonly histograms: readonly Histogram[]

  constructor(groups: readonly DelayGroup[], horizonMs: number) {
    this.groups = groups
    this.histograms = groups.map(() => emptyHistogram(horizonMs))
  }

  record(group: number, delayMs: number): void {
    this.histograms[group].recordValue(delayMs)
  }

  encode(): readonly EncodedGroup[] {
    return this.groups.map((group, g) => ({ ...group, histogram: encodeIntoCompressedBase64(this.histograms[g]) }))
  }
}

function emptyHistogram(horizonMs: number): Histogram {
  return build({
    bitBucketSize: 32,
    numberOfSignificantValueDigits: DIGITS,
    lowestDiscernibleValue: 1,
    highestTrackableValue: Math.max(2, horizonMs),
    autoResize: true,
  })
}

/** The sum of one group's histograms over nodes. */
export function addUp(encoded: readonly string[]): Histogram {
  const total = emptyHistogram(2)
  for (const one of encoded) total.add(decodeFromCompressedBase64(one, 32))
  return total
}

export interface Step {
  /** The highest value that the histogram does not tell from those of the step. */
  readonly valueMs: number
  readonly count: number
}

/** What the library has beyond its own type. */
interface Iterable {
  readonly recordedValuesIterator: {
    reset(histogram: unknown): void
    hasNext(): boolean
    next(): { readonly valueIteratedTo: number; readonly countAtValueIteratedTo: number }
  }
}

/** What was recorded, ascending. */
export function stepsOf(histogram: Histogram): readonly Step[] {
  const { recordedValuesIterator: values } = histogram as unknown as Iterable
  const steps: Step[] = []
  values.reset(histogram)
  while (values.hasNext()) {
    const { valueIteratedTo, countAtValueIteratedTo } = values.next()
    steps.push({ valueMs: valueIteratedTo, count: countAtValueIteratedTo })
  }
  return steps
}
