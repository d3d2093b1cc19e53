/** The ledger: three equations, their parts, and what is off. */
import { at, h, show, state } from './dom.js'
import { count } from './format.js'

const EQUATIONS = [
  { name: 'records', parts: { views: 'views', engagements: 'engagements', refused: 'refused' } },
  {
    name: 'views',
    parts: {
      samples: 'samples',
      sampledOut: 'sampled out',
      pending: 'pending',
      viewDuplicates: 'duplicates',
      viewsQuarantined: 'quarantined',
    },
  },
  {
    name: 'engagements',
    parts: {
      bound: 'bound',
      unused: 'unused',
      outside: 'outside',
      late: 'late',
      orphan: 'orphan',
      undecided: 'undecided',
      engagementDuplicates: 'duplicates',
      engagementsQuarantined: 'quarantined',
    },
  },
]

/**
 * The nodes' ledgers as one; partitions that two nodes tell of in a rebalance are taken once. `missing`: nodes that may have
 * partitions of their own, and do not answer.
 */
export function addUp(nodes) {
  const partitions = new Map()
  for (const { overview } of nodes)
    for (const one of overview?.ledger.partitions ?? []) partitions.set(one.partition, one)
  const total = {}
  for (const one of partitions.values()) {
    for (const [field, value] of Object.entries(one))
      if (field !== 'partition') total[field] = (total[field] ?? 0) + value
  }
  const imbalance = nodes.flatMap(({ overview }) => overview?.ledger.imbalance ?? [])
  const missing = nodes.filter((node) => node.state === 'silent').map(({ id }) => id)
  return { total, imbalance, missing, balances: imbalance.length === 0 }
}

export function showLedger({ total, imbalance, missing, balances }) {
  show(
    at('ledger'),
    EQUATIONS.map((equation) => equationOf(equation, total, imbalance)),
    missing.length > 0 && h('p', { class: 'muted small' }, `Without what ${missing.join(', ')} has.`),
    !balances &&
      h(
        'ul',
        { class: 'parts' },
        imbalance.map(({ partition, equation, difference }) =>
          h('li', { class: 'bad' }, `partition ${partition}: ${equation} are off by ${count(difference)}`),
        ),
      ),
  )
}

function equationOf({ name, parts }, total, imbalance) {
  const isOff = imbalance.some(({ equation }) => equation === name)
  return h(
    'div',
    { class: 'equation' },
    h(
      'p',
      { class: 'row spread' },
      h('span', { class: 'total' }, `${count(total[name] ?? 0)} ${name} =`),
      isOff ? state('bad', 'off') : state('ok', 'balances'),
    ),
    h(
      'ul',
      { class: 'parts' },
      Object.entries(parts).map(([field, word], k) => {
        const value = total[field] ?? 0
        return h('li', { class: value === 0 && 'zero' }, `${k === 0 ? '' : '+ '}${count(value)} ${word}`)
      }),
    ),
  )
}
