/**
 * GET /users: users in memory, by what they hold (`by=pending|bytes|oldest`), by the beginning of their ids (`prefix`; not
 * for who may not see ids), of the whole cluster; GET /users/<id>: one user's state, from the user's actor, on whichever
 * node it is.
 *
 * How it fails: 503 while nobody owns the user's partition, 502 where its owner does not answer, each with the reason.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { lookAtUser } from '../actors/look.ts'
import type { Partition } from '../actors/partition.ts'
import { partitionOfUser } from '../explain/explain.ts'
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import { nextDueMs } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import { describeUser } from './describeUser.ts'
import type { Inside } from './inside.ts'
import { isLocal, type LocalQuery, type Silent } from './others.ts'
import { asked, restartsOf } from './partitions.ts'
import type { UserAnswer } from './userAnswer.ts'

export interface UserRow {
  readonly user: string
  readonly partition: number
  readonly node: string
  readonly live: boolean
  readonly pendingViews: number
  readonly waiting: number
  readonly bytes: number
  /** The soonest of the user's due times. */
  readonly nextDueMs: number | null
  readonly inMs: number | null
}

export interface UsersAnswer {
  readonly node: string
  readonly by: By
  /** All users in memory, whether they fit what was asked for or not. */
  readonly inMemory: number
  readonly liveActors: number
  /** Users that lie in the journal alone; they are not listed. */
  readonly stored: number
  readonly users: readonly UserRow[]
  readonly silent: readonly Silent[]
}

export type By = 'pending' | 'bytes' | 'oldest'

interface UsersQuery extends LocalQuery {
  readonly by?: string
  readonly prefix?: string
  readonly limit?: string
}

const BY: readonly By[] = ['pending', 'bytes', 'oldest']
const LIMIT = 20
const LIMIT_MOST = 1000
/** It goes over all users in memory. */
const LIST_COST = 50
/** It goes over all that is held of the user, at one time. */
const USER_COST = 10
/** A user's id may be of any length that an event may have. */
const MAX_ID_BYTES = L.MAX_ID_BYTES

export function addUserRoutes(app: FastifyInstance, inside: Inside): void {
  const { node, others } = inside
  app.get<{ Querystring: UsersQuery }>('/users', { config: { cost: LIST_COST } }, async (request, reply) => {
    const { query } = request
    const by = (query.by ?? 'pending') as By
    const limit = Number(query.limit ?? LIMIT)
    if (!BY.includes(by)) return reply.code(400).send({ error: `by=${query.by}: must be one of ${BY.join(', ')}` })
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MOST) {
      return reply.code(400).send({ error: `limit=${query.limit}: must be 1 to ${LIMIT_MOST}` })
    }
    if (query.prefix !== undefined && !request.seesIds) {
      return reply
        .code(403)
        .send({ error: 'prefix: would give ids away letter by letter; it needs a privileged token' })
    }
    const own = await listUsers(inside, by, query.prefix ?? '', limit)
    if (isLocal(query)) return own
    const prefix = encodeURIComponent(query.prefix ?? '')
    const told = await others.each<UsersAnswer>(`/users?by=${by}&limit=${limit}&prefix=${prefix}`)
    return merged(own, told.answers, told.silent, limit)
  })
  const config = { cost: USER_COST }
  app.get<{ Params: { '*': string }; Querystring: LocalQuery }>(
    '/users/*',
    { config },
    async ({ params, query }, reply) => {
      const key = Buffer.from(params['*'])
      if (key.length === 0 || key.length > MAX_ID_BYTES) return reply.code(400).send({ error: 'ask for /users/ID' })
      if (node.partitionCount === 0) return reply.code(503).send({ error: 'the node is starting' })
      const index = partitionOfUser(key, node.partitionCount)
      const partition = node.partitions.find((each) => each.index === index)
      if (partition !== undefined) return userAnswer(partition, key, inside)
      if (isLocal(query)) return reply.code(503).send({ error: `node ${node.id} does not have partition ${index}` })
      return asked(reply, async () => {
        const owner = (await others.owner(index))!
        return others.ask<UserAnswer>(owner, `/users/${encodeURIComponent(params['*'])}`)
      })
    },
  )
}

export async function userAnswer(partition: Partition, key: Buffer, { node, clock }: Inside): Promise<UserAnswer> {
  const { topics } = node
  const user = key.toString()
  let watermarkMs = Number.NaN
  const looked = await lookAtUser(partition, key, (s, block) => {
    watermarkMs = partition.state.lastWatermarkMs
    return describeUser(s, block, { topics, partition: partition.index, watermarkMs })
  })
  if (looked === undefined) watermarkMs = partition.state.lastWatermarkMs
  const lastRestart = restartsOf(partition, topics).findLast((restart) => restart.user === user) ?? null
  return {
    user,
    partition: partition.index,
    node: node.id,
    state: looked?.state ?? 'unknown',
    partitionLive: partition.isLive,
    watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : null,
    readAtMs: clock.wallMs(),
    ...(looked?.value ?? NOTHING),
    lastRestart,
  }
}

const NOTHING = {
  bytes: 0,
  pendingCount: 0,
  pendingViews: [],
  rememberedCount: 0,
  waitingCount: 0,
  waiting: [],
  timersCount: 0,
  timers: [],
} as const

/** Partition by partition, with the process's other work between them. */
async function listUsers(inside: Inside, by: By, prefix: string, limit: number): Promise<UsersAnswer> {
  const { node } = inside
  const rows: UserRow[] = []
  let inMemory = 0
  let liveActors = 0
  let stored = 0
  for (const partition of node.partitions) {
    const { state } = partition
    inMemory += state.users.size
    liveActors += partition.users.live
    stored += partition.store.storedUsers
    const top =
      by === 'oldest' ? soonest(state, Buffer.from(prefix), limit) : largest(state, by, Buffer.from(prefix), limit)
    rows.push(...top.map((user) => rowOf(state, user, partition.index, node.id)))
    await nextTurn()
  }
  const answer = { node: node.id, by, inMemory, liveActors, stored, users: rows, silent: [] }
  return { ...answer, users: sortUsers(rows, by).slice(0, limit) }
}

function hasPrefix(s: JoinState, user: number, prefix: Buffer): boolean {
  if (prefix.length === 0) return true
  if (B.u32(s.arena, user, L.U_LENGTH) < prefix.length) return false
  const at = B.userTextAt(user)
  return prefix.compare(B.bytesOf(s.arena, user), at, at + prefix.length) === 0
}

/** The users with the most, in no order. Keeps twice as many as are asked for, and cuts when full. */
function largest(s: JoinState, by: 'pending' | 'bytes', prefix: Buffer, limit: number): number[] {
  const size = (user: number): number =>
    by === 'bytes'
      ? B.u32(s.arena, user, L.U_BYTES)
      : B.u32(s.arena, user, L.U_PENDING) * 2 ** 32 + B.u32(s.arena, user, L.U_BYTES)
  let kept: { user: number; size: number }[] = []
  let least = -1
  s.users.forEach((user) => {
    const one = size(user)
    if (one <= least || !hasPrefix(s, user, prefix)) return
    kept.push({ user, size: one })
    if (kept.length < limit * 2) return
    kept = kept.sort((a, b) => b.size - a.size).slice(0, limit)
    least = kept[limit - 1].size
  })
  return kept
    .sort((a, b) => b.size - a.size)
    .slice(0, limit)
    .map(({ user }) => user)
}

/** The users of the soonest timers. A timer may mean nothing any more: it is looked at what its block is now. */
function soonest(s: JoinState, prefix: Buffer, limit: number): number[] {
  const users = new Set<number>()
  s.timers.soonest((block) => {
    const kind = B.kindOf(s.arena, block)
    if (kind !== L.VIEW_BLOCK && kind !== L.ENGAGEMENT_BLOCK) return true
    const user = B.u32(s.arena, block, L.V_USER)
    const isThere = s.arena.chunks[user >>> 16] !== undefined && B.kindOf(s.arena, user) === L.USER
    if (isThere && hasPrefix(s, user, prefix)) users.add(user)
    // A bucket's timers are in no order: some more than asked for.
    return users.size < limit * 2
  })
  return [...users]
}

function rowOf(s: JoinState, user: number, partition: number, node: string): UserRow {
  let waiting = 0
  for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, e, L.NEXT)) waiting++
  const dueMs = nextDueMs(s, user)
  const isDue = Number.isFinite(dueMs)
  return {
    user: B.userText(s.arena, user),
    partition,
    node,
    live: B.u32(s.arena, user, L.U_ACTOR) !== 0,
    pendingViews: B.u32(s.arena, user, L.U_PENDING),
    waiting,
    bytes: B.u32(s.arena, user, L.U_BYTES),
    nextDueMs: isDue ? dueMs : null,
    inMs: isDue && Number.isFinite(s.lastWatermarkMs) ? Math.round(dueMs - s.lastWatermarkMs) : null,
  }
}

/** The order in which they are told. */
export function sortUsers(rows: readonly UserRow[], by: By): UserRow[] {
  // By what is left of each one's own partition's time: partitions may be hours of event time apart.
  const due = ({ inMs, nextDueMs }: UserRow): number => inMs ?? nextDueMs ?? Number.POSITIVE_INFINITY
  const order: Record<By, (a: UserRow, b: UserRow) => number> = {
    pending: (a, b) => b.pendingViews - a.pendingViews || b.bytes - a.bytes,
    bytes: (a, b) => b.bytes - a.bytes,
    oldest: (a, b) => due(a) - due(b) || b.pendingViews - a.pendingViews,
  }
  return [...rows].sort(order[by])
}

function merged(
  own: UsersAnswer,
  others: readonly UsersAnswer[],
  silent: readonly Silent[],
  limit: number,
): UsersAnswer {
  const all = [own, ...others]
  const sum = (pick: (answer: UsersAnswer) => number): number => all.reduce((n, answer) => n + pick(answer), 0)
  return {
    ...own,
    inMemory: sum((answer) => answer.inMemory),
    liveActors: sum((answer) => answer.liveActors),
    stored: sum((answer) => answer.stored),
    users: sortUsers(
      all.flatMap((answer) => answer.users),
      own.by,
    ).slice(0, limit),
    silent,
  }
}
