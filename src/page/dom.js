/**
 * Elements from values. Texts become text nodes and attributes are set one by one: nothing that comes from a node is ever
 * read as markup, whatever an id or an error says.
 */
const SVG = 'http://www.w3.org/2000/svg'

/** h('td', { class: 'num' }, text, child, ...): an element of HTML; s(...) one of SVG. False and null are left out. */
export const h = (tag, given, ...children) => made(document.createElement(tag), given, children)
export const s = (tag, given, ...children) => made(document.createElementNS(SVG, tag), given, children)

function made(element, given, children) {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'width%') element.style.width = `${value}%`
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

export const at = (id) => document.getElementById(id)

/**
 * Puts new children in place of old ones, if they differ; the focus stays on what has the same
 * `data-key`, and folds stay as their reader left them.
 */
export function show(parent, ...children) {
  const next = document.createDocumentFragment()
  next.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  if (isSame(parent.childNodes, next.childNodes)) return
  const focused = parent.contains(document.activeElement) ? document.activeElement.getAttribute('data-key') : null
  const wereOpen = new Map(
    [...parent.querySelectorAll('details')].map((one) => [one.getAttribute('data-key'), one.open]),
  )
  parent.replaceChildren(next)
  for (const one of parent.querySelectorAll('details'))
    one.open = wereOpen.get(one.getAttribute('data-key')) ?? one.open
  if (focused !== null) parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}

function isSame(old, next) {
  return old.length === next.length && [...old].every((one, i) => one.isEqualNode(next[i]))
}

const SIGNS = { ok: '✓', warn: '◐', bad: '✕' }

/** A state: a colour, a sign and a word, so that each alone is enough. */
export const state = (kind, text) => h('span', { class: `state ${kind}`, 'data-sign': SIGNS[kind] }, text)

/** A table; columns are { name, num, full, nowrap }, rows are lists of cells. On a phone its rows are blocks. */
export function table(label, columns, rows) {
  const cell = (content, { name, num, full, nowrap }) =>
    h(
      'td',
      {
        class: [num && 'num', full && 'full', nowrap && 'nowrap'].filter(Boolean).join(' ') || null,
        'data-name': name,
      },
      content,
    )
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'stack', 'aria-label': label },
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          columns.map(({ name, num }) => h('th', { class: num && 'num', scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        null,
        rows.map((row) =>
          h(
            'tr',
            null,
            row.map((content, k) => cell(content, columns[k])),
          ),
        ),
      ),
    ),
  )
}

export const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    pairs.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
  )
