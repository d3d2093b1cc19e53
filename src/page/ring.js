/** The cluster as a ring: a segment a partition, in the colour and with the letter of the node that has it. */
import { at, s, show } from './dom.js'
import { count } from './format.js'

const SIZE = 320
const CENTRE = SIZE / 2
const OUTER = 150
const INNER = 100
const LABELS_MOST = 48
const COLOURS = 8

export const letterOf = (k) => String.fromCharCode(65 + (k % 26)) + (k >= 26 ? Math.floor(k / 26) : '')
export const colourOf = (k) => `fill-${k % COLOURS}`

export function showRing({ nodes, partitionCount }) {
  const owners = ownersOf(nodes)
  const segments = Array.from({ length: partitionCount }, (_, index) =>
    segment(index, partitionCount, owners.get(index)),
  )
  const live = [...owners.values()].filter(({ status }) => status?.state === 'live').length
  show(
    at('ring'),
    s(
      'svg',
      { viewBox: `0 0 ${SIZE} ${SIZE}`, role: 'img', 'aria-label': told(nodes, owners, partitionCount) },
      segments,
      s('text', { x: CENTRE, y: CENTRE - 2, class: 'ring-total' }, `${count(live)} / ${count(partitionCount)}`),
      s('text', { x: CENTRE, y: CENTRE + 20, class: 'ring-note dim' }, 'partitions live'),
    ),
  )
}

/** By partition: the node's place in the list, and the partition's status where the node answers. */
function ownersOf(nodes) {
  const owners = new Map()
  nodes.forEach(({ state, partitions, overview }, k) => {
    if (state === 'silent') for (const index of partitions) owners.set(index, { k, isSilent: true })
    for (const status of overview?.status.partitions ?? []) owners.set(status.partition, { k, status })
  })
  return owners
}

function segment(index, total, owner) {
  const [from, to] = [index, index + 1].map((n) => (n / total) * 2 * Math.PI - Math.PI / 2)
  const kind = owner === undefined || owner.isSilent ? 'none' : owner.status.state === 'live' ? 'live' : 'waiting'
  const middle = (from + to) / 2
  const place = {
    x: CENTRE + Math.cos(middle) * (INNER + OUTER) * 0.5,
    y: CENTRE + Math.sin(middle) * (INNER + OUTER) * 0.5,
  }
  const letter = owner === undefined ? '' : letterOf(owner.k)
  const text = kind === 'none' ? `${index} ✕` : kind === 'waiting' ? `${index}${letter} ◐` : `${index}${letter}`
  return [
    s(
      'path',
      { d: arc(from, to), class: `segment ${kind} ${kind === 'none' ? '' : colourOf(owner.k)}` },
      s('title', null, sentence(index, owner, letter)),
    ),
    total <= LABELS_MOST && s('text', { ...place, class: `segment-text ${kind}` }, text),
  ]
}

function sentence(index, owner, letter) {
  if (owner === undefined) return `partition ${index}: no node has it`
  if (owner.isSilent) return `partition ${index}: node ${letter} has it and does not answer`
  const { state, pendingViews } = owner.status
  return `partition ${index}: node ${letter}, ${state}, ${count(pendingViews)} pending views`
}

function told(nodes, owners, total) {
  const of = nodes.map(({ id }, k) => {
    const own = [...owners].filter(([, owner]) => owner.k === k).map(([index]) => index)
    return `${letterOf(k)} ${id}: ${own.length === 0 ? 'none' : own.sort((a, b) => a - b).join(', ')}`
  })
  return `${total} partitions. ${of.join('. ')}`
}

function arc(from, to) {
  // A whole circle is no arc.
  const end = Math.min(to, from + 2 * Math.PI - 0.001)
  const point = (radius, angle) => `${CENTRE + radius * Math.cos(angle)} ${CENTRE + radius * Math.sin(angle)}`
  const large = end - from > Math.PI ? 1 : 0
  return (
    `M ${point(OUTER, from)} A ${OUTER} ${OUTER} 0 ${large} 1 ${point(OUTER, end)} ` +
    `L ${point(INNER, end)} A ${INNER} ${INNER} 0 ${large} 0 ${point(INNER, from)} Z`
  )
}
