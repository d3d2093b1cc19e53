/** Why a sample is what it is: in a sentence, as a time line, and row by row. */
import { facts, h, state, table } from './dom.js'
import { after, count, duration, time, value } from './format.js'
import { look } from './tail.js'
import { OUTCOMES, timeline } from './timeline.js'

const STATES = { sealed: 'ok', pending: 'warn', quarantined: 'bad', notFound: 'bad' }

export function showExplanation(place, told) {
  const { view, labels, engagements, notes } = told
  place.replaceChildren(
    h(
      'p',
      { class: 'lead' },
      state(STATES[told.status] ?? 'warn', told.status === 'notFound' ? 'not found' : told.status),
      ' ',
      told.summary,
    ),
    ...(view === null
      ? []
      : [
          timeline(told),
          h('h3', null, 'Labels'),
          labelTable(labels),
          h('h3', null, engagementTitle(told)),
          engagementTable(engagements),
          details(told),
        ]),
    ...notes.map((note) => h('p', { class: 'muted small' }, note)),
    h('p', { class: 'muted small' }, searchText(told.search)),
  )
}

function labelTable(labels) {
  return table(
    'Labels',
    [
      { name: 'label' },
      { name: 'value', num: true },
      { name: 'on' },
      { name: 'fold' },
      { name: 'window' },
      { name: 'first after', num: true },
      { name: 'counted (no.)', num: true },
    ],
    labels.map((label) => [
      h('strong', { class: 'mono' }, label.name),
      value(label.value),
      label.on,
      label.fold,
      duration(label.withinMs),
      duration(label.delayMs),
      label.counted.length === 0 ? '–' : label.counted.map((k) => k + 1).join(', '),
    ]),
  )
}

function engagementTitle({ engagements, engagementsLeftOut }) {
  if (engagements.length === 0) return 'Engagements: none was considered'
  return `Engagements that were considered${engagementsLeftOut > 0 ? `, and ${count(engagementsLeftOut)} more` : ''}`
}

function engagementTable(engagements) {
  if (engagements.length === 0) return ''
  return table(
    'Engagements',
    [
      { name: 'no.' },
      { name: 'type' },
      { name: 'after the view', num: true },
      { name: 'value', num: true },
      { name: 'outcome' },
      { name: 'why', full: true },
      { name: 'lies at', full: true },
    ],
    engagements.map((one, k) => [
      String(k + 1),
      one.type,
      after(one.delayMs),
      one.value === null ? '–' : value(one.value),
      h('span', null, OUTCOMES[one.outcome] ?? one.outcome),
      h(
        'span',
        null,
        one.reason,
        one.owner !== null && one.outcome === 'otherView' && [' ', look('sample', one.owner.sampleId)],
      ),
      h('span', { class: 'mono small place' }, placeParts(one.source ?? one)),
    ]),
  )
}

function details({ view, seal, emission }) {
  const pairs = [
    ['user', look('user', view.userId)],
    ['item', h('span', { class: 'mono' }, view.itemId)],
    ['viewed', time(view.timeMs)],
    ['lies at', h('span', { class: 'mono place' }, placeParts(view.source ?? view))],
    ['deadline', time(view.deadlineMs)],
    ['copies', count(view.copies.length)],
  ]
  if (seal !== null) {
    pairs.push([
      'sealed by',
      seal.record === null
        ? `the watermark ${time(seal.watermarkMs)}`
        : h('span', { class: 'mono place' }, placeParts(seal.record)),
    ])
  }
  if (emission !== null) {
    pairs.push(['emitted', `${time(emission.producedAtMs)}${emission.node === null ? '' : ` by ${emission.node}`}`])
    pairs.push(['as', h('span', { class: 'mono place' }, placeParts(emission))])
    pairs.push(['the sample says', emission.agrees ? state('ok', 'the same') : state('bad', 'something else')])
  }
  return h('div', null, h('h3', null, 'View'), facts(pairs))
}

/** It may break behind the topic, and nowhere within a number. */
const placeParts = ({ topic, partition, offset }) => [`${topic}/`, h('wbr', null), `${partition}/${offset}`]

function searchText({ from, recordsRead, tookMs }) {
  return from === 'actor'
    ? 'Told by the pending view’s actor.'
    : `Read again from the log: ${count(recordsRead)} records in ${duration(tookMs)}.`
}
