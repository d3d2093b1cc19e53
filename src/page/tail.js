/** The newest samples as they are emitted. Asked again and again with the cursor of the answer before. */

import { get, Refused } from './api.js'
import { at, h, show, table } from './dom.js'
import { clock, count, duration, value } from './format.js'

const KEPT = 12
const view = { rows: [], cursor: undefined, skipped: 0, away: [], isPaused: false, isThere: true }

at('tail-pause').addEventListener('click', () => {
  view.isPaused = !view.isPaused
  at('tail-pause').setAttribute('aria-pressed', String(view.isPaused))
  at('tail-pause').textContent = view.isPaused ? 'Go on' : 'Pause'
})

export async function showTail() {
  if (view.isPaused || !view.isThere) return
  try {
    const after = view.cursor === undefined ? '' : `&after=${encodeURIComponent(view.cursor)}`
    const { samples, cursor, skipped, away = [] } = await get(`/tail?limit=${KEPT}${after}`)
    view.cursor = cursor
    view.skipped += skipped
    view.away = away
    view.rows = [...[...samples].reverse(), ...view.rows].slice(0, KEPT)
  } catch (error) {
    // Where samples go to files alone, or the node cannot tell them, the rest of the page stands.
    if (error instanceof Refused && error.status === 404) view.isThere = false
    return
  }
  at('tail-card').hidden = false
  show(
    at('tail'),
    view.rows.length === 0
      ? h('p', { class: 'muted' }, 'No sample was emitted yet: views wait for the longest of their windows.')
      : table('Samples', COLUMNS, view.rows.map(row)),
    view.skipped > 0 && h('p', { class: 'muted small' }, `${count(view.skipped)} more went by too fast to be shown.`),
    view.away.length > 0 &&
      h('p', { class: 'small' }, `Without a leader, so not shown: partition ${view.away.join(', ')}.`),
  )
}

const COLUMNS = [
  { name: 'sample', full: true },
  { name: 'user' },
  { name: 'item' },
  { name: 'viewed', nowrap: true },
  { name: 'labels', full: true },
  { name: 'emitted', nowrap: true },
  { name: 'node' },
]

function row({ sample, producedAtMs, node, partition, offset }) {
  const { sample_id: id, user_id: user, item_id: item, view_time: viewMs, labels, delays_ms: delays } = sample
  return [
    look('sample', id, `${partition} ${offset}`),
    look('user', user, `${partition} ${offset} user`),
    h('span', { class: 'mono' }, String(item)),
    clock(viewMs),
    labelsText(labels, delays),
    clock(producedAtMs),
    node ?? '–',
  ]
}

/** A link to what is looked up; the hash alone carries the id. */
export function look(kind, id, key) {
  return h(
    'button',
    { type: 'button', class: 'link', 'data-key': key ?? null, 'data-look': kind, 'data-id': String(id) },
    String(id),
  )
}

export function labelsText(labels, delays) {
  return h(
    'span',
    { class: 'labels-so-far' },
    Object.entries(labels ?? {}).map(([name, of]) => {
      const delay = delays?.[name]
      const isThere = delay !== null && delay !== undefined
      return h(
        'span',
        { class: isThere ? null : 'muted' },
        `${name} `,
        isThere ? h('b', null, value(of)) : value(of),
        isThere && ` after ${duration(Number(delay))}`,
      )
    }),
  )
}
