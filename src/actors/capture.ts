/** What a commit of this moment would say of a partition (SEMANTICS.md section 5). */
import type { JoinState } from '../join/state.ts'
import type { LostRange } from './loss.ts'
import type { PartitionOutput } from './output.ts'
import type { Capture } from './partitionOptions.ts'
import { markOf } from './pipelineMark.ts'
import type { Quarantine } from './quarantine.ts'
import type { Store } from './store.ts'

export interface CaptureOptions {
  readonly output: PartitionOutput
  /** Told of the capture in the same turn: all output of what it names was handed on before, none after. */
  readonly cut?: (capture: Capture) => void
  readonly state: JoinState
  readonly topics: readonly string[]
  readonly position: Float64Array
  /** Per source: below it nothing is needed any more, whatever a journal brought back. Moves up here. */
  readonly neededFloor: Float64Array
  readonly quarantine: Quarantine
  readonly store: Store
  readonly lost: readonly LostRange[]
  readonly owner: string
}

export function captureOf(options: CaptureOptions): Capture {
  const { state: s, topics, position, neededFloor, quarantine, store, output, lost, owner, cut } = options
  const sources = new Map(
    topics.map((topic, source) => {
      const offset = position[source]
      // Never back: the quarantine below it is forgotten, and retention may have passed it.
      const neededFrom = Math.max(neededFloor[source], Math.min(offset, s.needed[source].lowest(offset)))
      neededFloor[source] = neededFrom
      return [topic, { offset, highestMs: s.clocks.highestMs[source], neededFrom }]
    }),
  )
  quarantine.prune([...sources.values()].map((source) => source.neededFrom))
  const capture = {
    position: {
      // What was acted on: an answer may have moved the clocks further, and its tick not have had its turn.
      watermarkMs: s.lastWatermarkMs,
      sources,
      ...quarantine.readBack,
      ledger: [...s.ledger],
      pipeline: markOf(s),
      lost,
      owner,
    },
    batchNumber: s.batchNumber,
    epoch: store.capture(),
  }
  output.push()
  cut?.(capture)
  return capture
}
