/** An explanation as people read it: the answer, the view, the labels with their windows, every engagement, the seal. Pure. */
import type { Place } from '../codec/port.ts'
import type { EngagementOutcome, ExplainedEngagement, Explanation } from '../inspect/explanation.ts'
import { formatCount, formatDuration, formatTime, UNKNOWN } from './format.ts'
import { flowing, paint, right, type Screen, table } from './screen.ts'

/** Of the lines that tell one thing each: how wide what comes before it is. */
const HEAD = 12

export function renderExplanation(e: Explanation, screen: Screen): string {
  const { view, search } = e
  const lines = [paint(screen, 'bold', `sample ${e.sampleId}: ${e.status}`), flowing(screen, '', e.summary)]
  if (view !== null) {
    lines.push(
      '',
      `view        ${view.topic} partition ${view.partition} offset ${view.offset}, at ${formatTime(view.timeMs)}`,
      ...(view.source === null ? [] : [`            produced to ${placeText(view.source)}`]),
      `            user ${view.userId}, item ${view.itemId}${view.lateView ? ', a late view' : ''}`,
      `deadline    ${formatTime(view.deadlineMs)}, ${formatDuration(view.deadlineMs - view.timeMs)} after the view`,
      ...[...sealLines(e), ...emissionLines(e)].map((line) => flowing(screen, line.slice(0, HEAD), line.slice(HEAD))),
    )
    for (const { topic, offset, conflict } of view.copies) {
      lines.push(
        `copy        ${topic} offset ${offset}${conflict ? ', with other bytes (a conflict)' : ''}: passed over`,
      )
    }
    lines.push('', labelTable(e, screen), '', engagementTable(e, screen))
  }
  if (e.engagementsLeftOut > 0) lines.push(`${formatCount(e.engagementsLeftOut)} more engagements are not shown`)
  for (const note of e.notes) lines.push(paint(screen, 'yellow', flowing(screen, 'note: ', note)))
  const how = { id: 'by its id', userAndTime: 'by user and time', actor: 'by its actor', scan: 'by searching' }[
    search.by
  ]
  lines.push(`found ${how}: ${formatCount(search.recordsRead)} records read in ${formatDuration(search.tookMs)}`)
  return lines.join('\n')
}

function sealLines({ seal, view }: Explanation): string[] {
  if (seal === null) return []
  const passed = `by the watermark ${formatTime(seal.watermarkMs)}, ${formatDuration(seal.watermarkMs - view!.timeMs)} after the view`
  if (seal.record === null) return [`sealed      ${passed}: the clock of a silent source moved it`]
  const { topic, partition, offset, timeMs } = seal.record
  const by = `${topic} partition ${partition} offset ${offset}`
  return [
    `sealed      ${passed}`,
    seal.by === 'clock'
      ? `            told by ${by}, which tells how far the sources were read`
      : `            moved by ${by}, at ${formatTime(timeMs)}`,
  ]
}

function emissionLines({ emission }: Explanation): string[] {
  if (emission === null) return []
  const { topic, partition, offset, producedAtMs, node, agrees } = emission
  const who = node === null ? 'a node that is not written down' : `node ${node}`
  return [
    `emitted     to ${topic} partition ${partition} offset ${offset}, at ${formatTime(producedAtMs)}, by ${who}`,
    `            ${agrees ? 'as the log alone gives it' : 'not as the log alone gives it: see the note'}`,
  ]
}

function labelTable({ labels }: Explanation, screen: Screen): string {
  const columns = [
    { title: 'label' },
    { title: 'on' },
    { title: 'fold' },
    right('within'),
    right('value'),
    right('after'),
    right('counted'),
  ]
  const rows = labels.map((label) => [
    label.name,
    label.on,
    label.fold,
    formatDuration(label.withinMs),
    String(label.value ?? UNKNOWN),
    formatDuration(label.delayMs),
    String(label.counted.length),
  ])
  return table(screen, columns, rows)
}

const COLOURS: Readonly<Partial<Record<EngagementOutcome, 'green' | 'red' | 'yellow'>>> = {
  counted: 'green',
  late: 'red',
  orphan: 'red',
  quarantined: 'red',
  waiting: 'yellow',
}

function engagementTable({ engagements }: Explanation, screen: Screen): string {
  if (engagements.length === 0) return 'no engagement came near it'
  return engagements.map((e) => engagementLines(e, screen)).join('\n')
}

function engagementLines(e: ExplainedEngagement, screen: Screen): string {
  const { type, value, delayMs, topic, offset, outcome, reason, source } = e
  const what = value === null ? type : `${type} ${value}`
  const when = delayMs < 0 ? formatDuration(delayMs) : `+${formatDuration(delayMs)}`
  const colour = COLOURS[outcome]
  const padded = outcome.padEnd(11)
  const place = source === null ? `${topic}/${offset}` : placeText(source)
  const line = flowing(screen, `${padded} ${what.padEnd(14)} ${when.padStart(9)}  `, `${reason} [${place}]`)
  return colour === undefined ? line : paint(screen, colour, padded) + line.slice(padded.length)
}

function placeText({ topic, partition, offset }: Place): string {
  return `${topic}/${partition}/${offset}`
}
