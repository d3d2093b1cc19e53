/**
 * Tells the person who started a node how far its replays are: one bar over all of its partitions where there is a
 * terminal, a log line every few seconds elsewhere. Reads the partitions and changes nothing.
 */
import { SingleBar } from 'cli-progress'
import type { ReplayView } from '../actors/progress.ts'
import type { Logger } from './node.ts'

const LOOK_EVERY_MS = 250
const LOG_EVERY_MS = 5_000

export interface Replaying {
  readonly index: number
  readonly stoppedBy: Error | undefined
  readonly replay: ReplayView | undefined
}

export interface ReplayReportOptions {
  readonly partitions: () => readonly Replaying[]
  readonly logger: Logger
  readonly stream: NodeJS.WriteStream
}

export interface ReplaySum {
  readonly partitions: number
  readonly recordsRead: number
  readonly recordsLeft: number
  readonly ratePerS: number
  /** Of the one that takes longest; null while it cannot be told. */
  readonly secondsLeft: number | null
}

/** Undefined when nothing is replayed. */
export function sumOf(partitions: readonly Replaying[]): ReplaySum | undefined {
  const views = partitions.flatMap(({ replay, stoppedBy }) => (stoppedBy === undefined && replay ? [replay] : []))
  if (views.length === 0) return undefined
  const sum = (pick: (view: ReplayView) => number): number => views.reduce((total, view) => total + pick(view), 0)
  const known = views.flatMap(({ secondsLeft }) => (secondsLeft === null ? [] : [secondsLeft]))
  return {
    partitions: views.length,
    recordsRead: sum((view) => view.recordsRead),
    recordsLeft: sum((view) => view.recordsLeft),
    ratePerS: sum((view) => view.ratePerS ?? 0),
    secondsLeft: known.length === 0 ? null : Math.max(...known),
  }
}

/** Starts reporting; the answer ends it. */
export function reportReplay(options: ReplayReportOptions): () => void {
  const report = options.stream.isTTY ? barOn(options.stream) : lines(options.logger)
  const timer = setInterval(() => report(sumOf(options.partitions())), LOOK_EVERY_MS)
  timer.unref()
  return () => {
    clearInterval(timer)
    report(undefined)
  }
}

type Report = (sum: ReplaySum | undefined) => void

function lines(logger: Logger): Report {
  let toldMs = performance.now()
  return (sum) => {
    if (sum === undefined) toldMs = performance.now()
    if (sum === undefined || performance.now() - toldMs < LOG_EVERY_MS) return
    toldMs = performance.now()
    logger.info(sum, 'replaying')
  }
}

function barOn(stream: NodeJS.WriteStream): Report {
  const format = 'replaying {partitions} partitions [{bar}] {value} of {total} records, {seconds} s left'
  let bar: SingleBar | undefined
  return (sum) => {
    if (sum === undefined) {
      bar?.stop()
      bar = undefined
      return
    }
    const shown = { partitions: sum.partitions, seconds: sum.secondsLeft ?? '?' }
    if (bar === undefined) {
      bar = new SingleBar({ format, stream, clearOnComplete: true, barsize: 20 })
      bar.start(sum.recordsRead + sum.recordsLeft, sum.recordsRead, shown)
    }
    bar.setTotal(sum.recordsRead + sum.recordsLeft)
    bar.update(sum.recordsRead, shown)
  }
}
