/**
 * Asks the node that served this page, and nobody else. The token, where one is asked for, is kept in sessionStorage: it
 * goes with the tab, and no other site reads it.
 */
const KEY = 'postview.token'
const LIMIT_MS = 15_000

export class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

export const hasToken = () => sessionStorage.getItem(KEY) !== null
export const keepToken = (text) => sessionStorage.setItem(KEY, text)
export const forgetToken = () => sessionStorage.removeItem(KEY)

/** The answer's JSON; rejects with Refused, whose message is the node's own. */
export async function get(path) {
  const token = sessionStorage.getItem(KEY)
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(LIMIT_MS) })
  const body = await answer.json().catch(() => ({}))
  if (answer.ok) return body
  throw new Refused(answer.status, body.error ?? `the node answered ${answer.status}`)
}
