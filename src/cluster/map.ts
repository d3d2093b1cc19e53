/**
 * The cluster map: which nodes are in the group, which partitions each has, and so who owns a user. Asked of the group's
 * coordinator (describeGroups), by any node or none: no leader, no gossip.
 *
 * Invariants:
 * 1. An answer is at most `freshMs` old, and several questions at once are one to the coordinator.
 * 2. While a rebalance is under way the coordinator tells nothing: the map is then the last one known, and says that it
 *    is in motion. Nobody takes it for what is.
 *
 * How it fails: `read` and `ownerOf` reject with the log's LogError; `ask` with an AskError that says who did not answer
 * and why. What a map says may have changed meanwhile: the node that is asked decides whether it owns what it is asked for.
 */
import { murmur2, partitionOf } from '../join/hash.ts'
import type { Log } from '../log/port.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { decodeMember, type MemberInfo } from './member.ts'

export interface ClusterMember extends MemberInfo {
  /** Assigned to it. */
  readonly partitions: readonly number[]
}

export interface ClusterState {
  readonly group: string
  /** Of each source topic; 0 while unknown. */
  readonly partitionCount: number
  /** By id. */
  readonly members: readonly ClusterMember[]
  /** A rebalance is under way: members and partitions are those before it. */
  readonly isMoving: boolean
  /** Members of the group that are no nodes of Postview, or of a version that tells itself otherwise. */
  readonly strangers: number
}

export interface Ownership {
  readonly partition: number
  /** Absent while nobody is known to own it. */
  readonly owner: ClusterMember | undefined
  readonly isMoving: boolean
}

export interface ClusterMapOptions {
  readonly log: Pick<Log, 'members'>
  readonly group: string
  readonly partitionCount: () => number
  readonly clock?: Clock
  readonly freshMs?: number
}

/** A request to another node's control server. */
export interface AskOptions {
  readonly timeoutMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

const FRESH_MS = 1_000
const ASK_LIMIT_MS = 5_000

export class AskError extends Error {
  override name = 'AskError'
  /** The answer's status; absent where there was none. */
  readonly status: number | undefined
  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

export class ClusterMap {
  private readonly options: ClusterMapOptions
  private readonly clock: Clock
  private last: { readonly atMs: number; readonly state: ClusterState } | undefined
  private asking: Promise<ClusterState> | undefined

  constructor(options: ClusterMapOptions) {
    this.options = options
    this.clock = options.clock ?? systemClock
  }

  /** The map as it is now, or was within the last `freshMs`. */
  read(): Promise<ClusterState> {
    const { freshMs = FRESH_MS } = this.options
    if (this.last !== undefined && this.clock.monotonicMs() - this.last.atMs < freshMs) {
      return Promise.resolve(this.last.state)
    }
    this.asking ??= this.fetch().finally(() => {
      this.asking = undefined
    })
    return this.asking
  }

  /** Who owns a user, by the id's text. */
  async ownerOf(userId: string): Promise<Ownership> {
    const { members, partitionCount, isMoving } = await this.read()
    if (partitionCount === 0) throw new AskError('this node does not know the partitions yet')
    const bytes = Buffer.from(userId)
    const partition = partitionOf(murmur2(bytes, 0, bytes.length), partitionCount)
    return { partition, owner: members.find(({ partitions }) => partitions.includes(partition)), isMoving }
  }

  private async fetch(): Promise<ClusterState> {
    const { log, group, partitionCount } = this.options
    const atMs = this.clock.monotonicMs()
    const view = await log.members(group)
    const isMoving = view.state === 'moving'
    const decoded = view.members.map(({ info, partitions }) => ({ info: decodeMember(info), partitions }))
    const members = decoded.flatMap(({ info, partitions }) => (info === undefined ? [] : [{ ...info, partitions }]))
    const state: ClusterState = {
      group,
      partitionCount: partitionCount(),
      members: isMoving ? (this.last?.state.members ?? []) : members.sort((a, b) => (a.id < b.id ? -1 : 1)),
      isMoving,
      strangers: isMoving ? 0 : decoded.length - members.length,
    }
    this.last = { atMs, state }
    return state
  }
}

/** Asks a node's control server; `path` begins with a slash. */
export async function ask<T>(
  node: Pick<ClusterMember, 'id' | 'url'>,
  path: string,
  options: AskOptions = {},
): Promise<T> {
  const { timeoutMs = ASK_LIMIT_MS, headers } = options
  if (node.url === '') throw new AskError(`node ${node.id} has no control address`)
  let answer: Response
  try {
    answer = await fetch(new URL(path, node.url), { headers, signal: AbortSignal.timeout(timeoutMs) })
  } catch (error) {
    throw new AskError(`node ${node.id} at ${node.url} does not answer: ${reasonOf(error as Error, timeoutMs)}`)
  }
  const body = (await answer.json().catch(() => ({}))) as T & { error?: string }
  if (answer.ok) return body
  throw new AskError(
    `node ${node.id} at ${node.url} answered ${answer.status}: ${body.error ?? 'no reason'}`,
    answer.status,
  )
}

function reasonOf(error: Error, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `nothing within ${timeoutMs} ms`
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message
}
