/**
 * What a node was like over the last minutes, for the page's charts: a point every STEP_MS, POINTS of them.
 *
 * Invariant: points lie on the wall clock's even steps, so that those of several nodes can be added up.
 */
import { PENDING, SAMPLES } from '../join/ledger.ts'
import { lagOf, type NodeView } from './view.ts'

export const STEP_MS = 2000
const POINTS = 300

/** Columns of one length, the oldest first; null for what was not known. */
export interface History {
  readonly stepMs: number
  readonly atMs: readonly number[]
  readonly recordsPerS: readonly number[]
  readonly samplesPerS: readonly number[]
  readonly lag: readonly (number | null)[]
  readonly pendingViews: readonly number[]
  readonly watermarkLagMs: readonly (number | null)[]
}

interface Point {
  readonly atMs: number
  readonly recordsPerS: number
  readonly samplesPerS: number
  readonly lag: number | null
  readonly pendingViews: number
  readonly watermarkLagMs: number | null
}

interface Look {
  readonly atMs: number
  readonly partitions: ReadonlyMap<number, { readonly records: number; readonly samples: number }>
}

export class HistoryKeeper {
  private readonly points: Point[] = []
  private last: Look | undefined

  /** A look at the node; those between two steps are passed over. */
  look(node: NodeView, nowMs: number): void {
    const stepAtMs = Math.floor(nowMs / STEP_MS) * STEP_MS
    if (this.points.at(-1)?.atMs === stepAtMs) return
    const look = { atMs: nowMs, partitions: new Map(node.partitions.map((p) => [p.index, countsOf(p)])) }
    const { last } = this
    this.last = look
    if (last === undefined) return
    this.points.push({
      atMs: stepAtMs,
      recordsPerS: perSecond(last, look, 'records'),
      samplesPerS: perSecond(last, look, 'samples'),
      lag: lagIn(node),
      pendingViews: node.partitions.reduce((sum, { state }) => sum + state.settled[PENDING], 0),
      watermarkLagMs: watermarkLagIn(node, nowMs),
    })
    if (this.points.length > POINTS) this.points.shift()
  }

  read(): History {
    const column = <K extends keyof Point>(name: K): Point[K][] => this.points.map((point) => point[name])
    return {
      stepMs: STEP_MS,
      atMs: column('atMs'),
      recordsPerS: column('recordsPerS'),
      samplesPerS: column('samplesPerS'),
      lag: column('lag'),
      pendingViews: column('pendingViews'),
      watermarkLagMs: column('watermarkLagMs'),
    }
  }
}

function countsOf({ rates, state }: NodeView['partitions'][number]): { records: number; samples: number } {
  return { records: rates.recordsJoined, samples: state.settled[SAMPLES] }
}

/** Of the partitions that were there at both looks: one that came brings counts that were not made here. */
function perSecond(before: Look, now: Look, what: 'records' | 'samples'): number {
  let grown = 0
  for (const [index, counts] of now.partitions) {
    const was = before.partitions.get(index)
    if (was !== undefined) grown += Math.max(0, counts[what] - was[what])
  }
  return now.atMs > before.atMs ? Math.round((grown * 1000) / (now.atMs - before.atMs)) : 0
}

function lagIn(node: NodeView): number | null {
  let sum = 0
  for (const partition of node.partitions) {
    for (let source = 0; source < node.topics.length; source++) {
      const lag = lagOf(partition, source)
      if (lag === undefined) return null
      sum += lag
    }
  }
  return sum
}

/** The furthest behind of its partitions. */
function watermarkLagIn(node: NodeView, nowMs: number): number | null {
  const known = node.partitions.map(({ state }) => state.clocks.watermarkMs).filter(Number.isFinite)
  return known.length === 0 ? null : Math.round(nowMs - Math.min(...known))
}
