/** What an explanation says in a sentence, and the emitted sample as it shows it. Pure. */
import type { Explanation } from '../inspect/explanation.ts'
import { formatDuration, formatTime } from '../show/format.ts'
import type { FoundSample } from './emission.ts'

export function emitted({ sample, topic, partition, offset, stampMs, node }: FoundSample, names: readonly string[]) {
  const row = (values: unknown): Record<string, number | null> =>
    Object.fromEntries(names.map((name) => [name, numberOf((values as Record<string, unknown> | null)?.[name])]))
  return {
    topic,
    partition,
    offset,
    producedAtMs: stampMs,
    node,
    labels: row(sample.labels),
    delaysMs: row(sample.delays_ms),
    lateView: sample.late_view === true,
    sample,
  }
}

function numberOf(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value)
}

/** Of what a view lies ahead: of nothing, since nothing was committed yet, or of what was joined. */
export type Ahead = 'ofNothing' | 'ofTheJoin'

export function aheadNote(ahead: Ahead, isEmitted: boolean): string {
  const where =
    ahead === 'ofNothing' ? 'nothing was committed by the group yet' : 'the view lies beyond what was joined so far'
  return isEmitted
    ? `${where}: its sample lies in the topic already, and no commit tells of it yet`
    : `${where}: this is what the log says, and nothing is decided yet`
}

export function summaryOf(e: Omit<Explanation, 'summary'>): string {
  const { view, labels, engagements, seal, status } = e
  const values = labels.map(({ name, value }) => `${name} ${value ?? 'null'}`).join(', ')
  const counted = engagements.filter(({ outcome }) => outcome === 'counted').length
  const others = engagements.length + e.engagementsLeftOut - counted
  const what = `${counted} engagement${counted === 1 ? '' : 's'} counted, ${others} did not`
  if (status === 'quarantined') return `No sample was made of the view: it is in the dead letters.`
  if (status === 'pending') {
    return `Not sealed yet: it waits for the watermark to pass ${formatTime(view!.deadlineMs)}. So far: ${values} (${what}).`
  }
  const late = view!.lateView ? ' The view came late: what came before it may have been given up.' : ''
  const when =
    seal === null ? '' : ` Sealed by the watermark ${formatDuration(seal.watermarkMs - view!.timeMs)} after the view.`
  return `${values}: ${what}.${when}${late}`
}
