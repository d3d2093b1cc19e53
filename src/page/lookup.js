/**
 * The box to look up a user or a sample. What is looked up stands in the address's hash, so that it can be kept and sent,
 * and the browser's own back leads back.
 */
import { get } from './api.js'
import { at, h } from './dom.js'
import { showExplanation } from './explanation.js'
import { showUser } from './user.js'

const KINDS = ['user', 'sample']
let asked = 0

export function startLookup() {
  at('lookup').addEventListener('submit', (event) => {
    event.preventDefault()
    const id = at('lookup-id').value.trim()
    if (id !== '') go(at('lookup-kind').value, id)
  })
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('[data-look]') : null
    if (link !== null) go(link.getAttribute('data-look'), link.getAttribute('data-id'))
  })
  window.addEventListener('hashchange', lookUp)
}

function go(kind, id) {
  const hash = `#${kind}=${encodeURIComponent(id)}`
  if (location.hash === hash) lookUp()
  else location.hash = hash
}

/** What the hash names; undefined for none. */
function wanted() {
  const [kind, id] = [
    location.hash.slice(1, location.hash.indexOf('=')),
    location.hash.slice(location.hash.indexOf('=') + 1),
  ]
  if (!KINDS.includes(kind) || id === '') return undefined
  try {
    return { kind, id: decodeURIComponent(id) }
  } catch {
    return undefined
  }
}

export async function lookUp() {
  const what = wanted()
  const answer = at('answer')
  const turn = ++asked
  answer.hidden = what === undefined
  if (what === undefined) return
  at('lookup-kind').value = what.kind
  at('lookup-id').value = what.id
  head(what, h('p', { class: 'muted', role: 'status' }, 'Asking …'))
  try {
    const path =
      what.kind === 'user' ? `/users/${encodeURIComponent(what.id)}` : `/explain/${encodeURIComponent(what.id)}`
    const told = await get(path)
    if (turn !== asked) return
    head(what)
    const body = h('div', null)
    answer.append(body)
    if (what.kind === 'user') showUser(body, told)
    else showExplanation(body, told)
  } catch (error) {
    if (turn === asked) head(what, h('p', { class: 'bad', role: 'alert' }, error.message))
  }
}

function head({ kind, id }, ...rest) {
  const close = h('button', { type: 'button', class: 'quiet' }, 'Close')
  close.addEventListener('click', () => {
    history.pushState(null, '', location.pathname)
    lookUp()
    at('lookup-id').focus()
  })
  const title = h(
    'h2',
    { id: 'answer-title', tabindex: '-1' },
    kind === 'user' ? 'User ' : 'Sample ',
    h('span', { class: 'mono' }, id),
  )
  at('answer').replaceChildren(h('div', { class: 'row spread' }, title, close), ...rest)
  title.focus({ preventScroll: false })
}
