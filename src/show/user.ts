/** A user's state as people read it. Pure. */
import type { PendingView, UserAnswer } from '../inspect/userAnswer.ts'
import { formatBytes, formatCount, formatDuration, formatTime, UNKNOWN } from './format.ts'
import { flowing, left, paint, right, type Screen, table } from './screen.ts'
import { isFitting } from './table.ts'

export function renderUser(user: UserAnswer, screen: Screen): string {
  const { state, partition, node, lastRestart } = user
  const lines = [
    paint(screen, 'bold', `user ${user.user}: ${state}`),
    `partition ${partition} on ${node}, watermark ${formatTime(user.watermarkMs)}, ${formatBytes(user.bytes)}`,
    `${formatCount(user.pendingCount)} pending views, ${formatCount(user.waitingCount)} engagements wait, ` +
      `${formatCount(user.rememberedCount)} sealed views are remembered`,
  ]
  if (!user.partitionLive) lines.push(paint(screen, 'yellow', 'the partition is replaying: this is not all'))
  if (user.pendingViews.length > 0) lines.push('', pendingTable(user.pendingViews, screen))
  if (user.waiting.length > 0) lines.push('', waitingTable(user, screen))
  if (user.timers.length > 0) {
    const [next] = user.timers
    lines.push('', `next: ${next.does} ${next.what} in ${formatDuration(next.inMs)}; ${user.timersCount} timers`)
  }
  if (lastRestart !== null) {
    const { atMs, error, culprit, quarantined } = lastRestart
    const over = culprit === null ? '' : ` over ${culprit.topic} offset ${culprit.offset}`
    const end = quarantined ? ', which was taken out' : ''
    lines.push('', paint(screen, 'red', `restarted ${formatTime(atMs)}${over}${end}: ${error}`))
  }
  return lines.join('\n')
}

function pendingTable(views: readonly PendingView[], screen: Screen): string {
  const labels = Object.keys(views[0].labels)
  const columns = [
    left('pending view'),
    left('item'),
    left('viewed'),
    right('sealed in'),
    ...labels.map((name) => right(name)),
  ]
  const rows = views.map((view) => [
    view.sampleId,
    view.itemId,
    formatTime(view.timeMs).slice(0, 19),
    formatDuration(view.inMs),
    ...labels.map((name) => labelText(view, name)),
  ])
  if (screen.width === undefined || isFitting(columns, rows, screen.width)) return table(screen, columns, rows)
  return views.map((view) => pendingLines(view, screen)).join('\n')
}

/** Where a table would cut ids, or leave labels out. */
function pendingLines(view: PendingView, screen: Screen): string {
  const { sampleId, itemId, timeMs, inMs, labels } = view
  const texts = Object.keys(labels).map((name) => `${name} ${labelText(view, name)}`)
  const viewed = `item ${itemId}, viewed ${formatTime(timeMs).slice(0, 19)}, sealed in ${formatDuration(inMs)}`
  const title = flowing(screen, '', `pending view ${sampleId}: ${viewed}`)
  return [title, flowing(screen, '  ', texts.join(', '))].join('\n')
}

function labelText({ labels, delaysMs }: PendingView, name: string): string {
  const value = String(labels[name] ?? UNKNOWN)
  return delaysMs[name] === null ? value : `${value} (+${formatDuration(delaysMs[name])})`
}

function waitingTable({ waiting }: UserAnswer, screen: Screen): string {
  const columns = [left('waits'), left('item'), right('at'), right('decided in'), left('would join')]
  const rows = waiting.map((e) => [
    e.value === null ? e.type : `${e.type} ${e.value}`,
    e.itemId,
    formatTime(e.timeMs).slice(0, 19),
    formatDuration(e.inMs),
    e.wouldJoin ?? 'nothing known',
  ])
  return table(screen, columns, rows)
}
