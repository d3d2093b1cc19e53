/**
 * What every request passes before anything of it is looked at: rate, Host and Origin, token, role.
 *
 * A route's role is `read` for GET and HEAD and `operate` for every other method, unless it says otherwise itself
 * (`config: { role: 'public' }`, for what holds no data): a new route is guarded without anybody's doing. A route that
 * costs the node more than a few microseconds says so (`cost`, in such requests).
 *
 * Invariants:
 * 1. A refusal tells nothing of what is behind it: without a token, routes that exist and such that do not look alike.
 * 2. What is answered before its body has come is not waited for: the connection is closed.
 * 3. With `mask`, whatever a route answers passes it on its way to a caller who may not see ids, unless the route says
 *    that no id can be in it (`hasNoIds`); what went wrong inside is told to those alone who may.
 * 4. Refusals are counted by reason, never logged one by one, and what was sent is kept nowhere.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../time/clock.ts'
import type { Access, Caller, Role } from './access.ts'
import { Buckets } from './buckets.ts'
import { isLoopback, isOwnHost, isSameOrigin } from './guard.ts'
import type { Mask } from './mask.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    role?: Role | 'public'
    cost?: number
    hasNoIds?: boolean
  }
  interface FastifyRequest {
    caller: Caller
    /** Whether ids are shown to the caller in full. */
    seesIds: boolean
  }
}

export interface ProtectOptions {
  readonly access: Access
  /** For who may not see ids; absent: everybody may. */
  readonly mask?: Mask
  /** The address that the configuration gave. */
  readonly host: string
  readonly requestsPerS: number
  readonly clock: Clock
}

export const REFUSALS = ['rate', 'host', 'origin', 'body', 'token', 'role'] as const
export type RefusalReason = (typeof REFUSALS)[number]
export type RefusalCounts = Record<RefusalReason, number>

interface Refusal {
  readonly reason: RefusalReason
  readonly code: number
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Who asks too often waits for the refusal: each takes time of the join's own thread, and so a connection can cause no
 * more than a few a second, however fast it asks. What is held is bounded by the number of connections.
 */
const HELD_MS = 250

/** What is thrown inside may quote what it was over. */
const FAILED = 500

const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

export interface Route {
  readonly method: string
  readonly path: string
  readonly role: Role | 'public'
}

export interface Guard {
  /** Counted on as requests are refused. */
  readonly refused: Readonly<RefusalCounts>
  /** Every route that was added after the guard, and who may use it. */
  readonly routes: readonly Route[]
}

/** Puts the guard before all routes that are added from now on. */
export function protect(app: FastifyInstance, options: ProtectOptions): Guard {
  const { access, clock, mask } = options
  const routes: Route[] = []
  const counts = Object.fromEntries(REFUSALS.map((reason) => [reason, 0])) as RefusalCounts
  const buckets = new Buckets(options.requestsPerS)
  app.decorateRequest('caller')
  app.decorateRequest('seesIds', false)
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const one of [method].flat()) routes.push({ method: one, path: url, role: config?.role ?? roleOf(one) })
  })
  app.addHook('onRequest', async (request, reply) => {
    request.caller = access.callerOf(request.headers.authorization)
    request.seesIds = mask === undefined || request.caller.roles.has('privileged')
    reply.headers(HEADERS)
    const refusal = tooFast(request, buckets, clock.monotonicMs()) ?? wrong(request, options)
    if (refusal === undefined) return
    counts[refusal.reason]++
    if (refusal.reason === 'rate') await sleep(HELD_MS)
    const { code, error, headers } = refusal
    return reply
      .code(code)
      .headers(headers ?? {})
      .send({ error })
  })
  if (mask !== undefined) {
    app.addHook('preSerialization', async (request, reply, answer) => {
      if (request.seesIds || request.routeOptions.config.hasNoIds) return answer
      return reply.statusCode === FAILED ? { error: 'it failed: a privileged token is told why' } : mask.answer(answer)
    })
  }
  // Whoever answers before a body is through, for whatever reason.
  app.addHook('onSend', async (request, reply) => {
    if (hasBody(request) && !request.raw.complete) reply.header('connection', 'close')
  })
  return { refused: counts, routes }
}

function roleOf(method: string): Role {
  return isReading(method) ? 'read' : 'operate'
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Probes have a bucket of their own: whoever asks too much makes no supervisor believe that the node is dead. */
function tooFast(request: FastifyRequest, buckets: Buckets, nowMs: number): Refusal | undefined {
  const { role, cost = 1 } = request.routeOptions.config
  const who = role === 'public' ? 'public' : request.caller.name
  const waitMs = buckets.take(`${who} ${request.ip}`, cost, nowMs)
  if (waitMs === 0) return undefined
  return {
    reason: 'rate',
    code: 429,
    error: 'too many requests (control.requestsPerS)',
    headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
  }
}

function wrong(request: FastifyRequest, { access, host }: ProtectOptions): Refusal | undefined {
  // Beyond loopback a token is asked for, which no page has that a browser was led to by a rebound name.
  if (isLoopback(host) && !isOwnHost(request.headers.host, host)) {
    const error = 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]'
    return { reason: 'host', code: 403, error }
  }
  if (!isSameOrigin(request.headers.origin, request.headers.host)) {
    return { reason: 'origin', code: 403, error: 'pages of other origins may not ask' }
  }
  const { method } = request
  if (isReading(method) && hasBody(request)) return { reason: 'body', code: 400, error: `${method} takes no body` }
  const needed = request.routeOptions.config.role ?? roleOf(method)
  const { roles } = request.caller
  if (needed === 'public' || roles.has(needed)) return undefined
  if (access.isGuarded && roles.size === 0) {
    const headers = { 'www-authenticate': 'Bearer' }
    return { reason: 'token', code: 401, error: 'a token is needed: Authorization: Bearer TOKEN', headers }
  }
  return { reason: 'role', code: 403, error: `this needs a token with the role ${needed}` }
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
