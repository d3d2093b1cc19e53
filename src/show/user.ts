/** A user's state as people read it. Pure. */
import type { PendingView, UserAnswer } from '../inspect/userAnswer.ts'
import { formatBytes, formatCount, formatDuration, formatTime, UNKNOWN } from './format.ts'
import { paint, right, type Screen, table } from './screen.ts'

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
    { title: 'pending view' },
    { title: 'item' },
    { title: 'viewed' },
    right('sealed in'),
    ...labels.map(right),
  ]
  const rows = views.map((view) => [
    view.sampleId,
    view.itemId,
    formatTime(view.timeMs).slice(0, 19),
    formatDuration(view.inMs),
    ...labels.map((name) => labelText(view, name)),
  ])
  return table(screen, columns, rows)
}

function labelText({ labels, delaysMs }: PendingView, name: string): string {
  const value = String(labels[name] ?? UNKNOWN)
  return delaysMs[name] === null ? value : `${value} (+${formatDuration(delaysMs[name])})`
}

function waitingTable({ waiting }: UserAnswer, screen: Screen): string {
  const columns = [{ title: 'waits' }, { title: 'item' }, { title: 'at' }, right('decided in'), { title: 'would join' }]
  const rows = waiting.map((e) => [
    e.value === null ? e.type : `${e.type} ${e.value}`,
    e.itemId,
    formatTime(e.timeMs).slice(0, 19),
    formatDuration(e.inMs),
    e.wouldJoin ?? 'nothing known',
  ])
  return table(screen, columns, rows)
}
