/**
 * From where the control server may be asked: on loopback from this machine alone, and by no web page that a browser on
 * it has been led to (a name that an attacker rebinds to 127.0.0.1 still stands in the Host header, and a page's origin
 * in Origin). Pure.
 */
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|::1)$/
const HOST_HEADER = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i

export function isLoopback(host: string): boolean {
  return LOOPBACK_HOST.test(host)
}

/** Whether a request's Host header names this machine; `bound` is the address that the configuration gave. */
export function isOwnHost(header: string | undefined, bound: string): boolean {
  if (header === undefined) return false
  if (HOST_HEADER.test(header)) return true
  return isLoopback(bound) && header.replace(/:\d{1,5}$/, '') === bound
}

/** Whether a request comes from a page of this server, or from none: browsers name the page's origin. */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true
  return (
    URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) && new URL(origin).host === host?.toLowerCase()
  )
}
