/** One user, at one moment: what is pending, what waits, what is due. */
import { facts, h, state, table } from './dom.js'
import { after, bytes, count, duration, time, value } from './format.js'
import { labelsText, look } from './tail.js'

export function showUser(place, user) {
  const { lastRestart } = user
  place.replaceChildren(
    facts([
      ['state', stateOf(user)],
      ['partition', String(user.partition)],
      ['node', user.node],
      ['pending views', count(user.pendingCount)],
      ['waiting engagements', count(user.waitingCount)],
      ['remembered', count(user.rememberedCount)],
      ['memory', bytes(user.bytes)],
      ['watermark', time(user.watermarkMs)],
    ]),
    ...(lastRestart === null
      ? []
      : [h('p', { class: 'warn' }, `Its actor was restarted at ${time(lastRestart.atMs)}: ${lastRestart.error}`)]),
    h('h3', null, `Pending views${more(user.pendingViews, user.pendingCount)}`),
    pending(user.pendingViews),
    h('h3', null, `Engagements that wait${more(user.waiting, user.waitingCount)}`),
    waiting(user.waiting),
    h(
      'details',
      { 'data-key': 'timers' },
      h('summary', null, `Timers${more(user.timers, user.timersCount)}`),
      timers(user.timers),
    ),
  )
}

const more = (shown, all) => (all > shown.length ? `, ${count(shown.length)} of ${count(all)}` : '')

function stateOf({ state: how, partitionLive }) {
  if (!partitionLive) return state('warn', `${how}; its partition is replaying: this is not all`)
  return how === 'unknown'
    ? state('warn', 'unknown: nothing of this user is pending, waiting or remembered')
    : state('ok', how)
}

function pending(views) {
  if (views.length === 0) return h('p', { class: 'muted' }, 'None.')
  return table(
    'Pending views',
    [
      { name: 'sample', full: true },
      { name: 'item' },
      { name: 'viewed', nowrap: true },
      { name: 'sealed in' },
      { name: 'labels so far', full: true },
      { name: 'engagements', num: true },
    ],
    views.map((view) => [
      look('sample', view.sampleId, `pending ${view.sampleId}`),
      h('span', { class: 'mono' }, view.itemId),
      time(view.timeMs),
      view.inMs === null ? '–' : view.inMs <= 0 ? 'due' : duration(view.inMs),
      labelsText(view.labels, view.delaysMs),
      count(view.boundCount),
    ]),
  )
}

function waiting(engagements) {
  if (engagements.length === 0) return h('p', { class: 'muted' }, 'None.')
  return table(
    'Engagements that wait',
    [
      { name: 'type' },
      { name: 'item' },
      { name: 'at', nowrap: true },
      { name: 'value', num: true },
      { name: 'decided in' },
      { name: 'would join', full: true },
    ],
    engagements.map((one) => [
      one.type,
      h('span', { class: 'mono' }, one.itemId),
      time(one.timeMs),
      one.value === null ? '–' : value(one.value),
      one.inMs === null ? '–' : duration(one.inMs),
      one.wouldJoin === null ? 'no view yet' : look('sample', one.wouldJoin),
    ]),
  )
}

function timers(list) {
  if (list.length === 0) return h('p', { class: 'muted' }, 'None.')
  return table(
    'Timers',
    [{ name: 'due', nowrap: true }, { name: 'in' }, { name: 'does' }, { name: 'what', full: true }],
    list.map(({ dueMs, inMs, does, what }) => [time(dueMs), after(inMs), does, h('span', { class: 'mono' }, what)]),
  )
}
