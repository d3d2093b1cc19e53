/**
 * One fault, done to the cluster: who is hit, what is done, and what must come after it before it is over.
 *
 * Invariant: a fault counts only where it hit something: a process that had partitions with views pending and samples in
 * the seconds before, or a change of members that moved partitions.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../support/broker.ts'
import type { Random } from '../support/random.ts'
import type { Fleet, Member } from './fleet.ts'
import type { PlannedFault } from './plan.ts'
import type { Watch } from './watch.ts'

export interface Fault {
  readonly number: number
  readonly what: string
  readonly kind: PlannedFault['kind']
  readonly atMs: number
  /** Partitions that were hit, and views that were pending in them. */
  readonly partitions: readonly number[]
  readonly pending: number
  readonly counts: boolean
}

export interface StrikeParts {
  readonly fleet: Fleet
  readonly watch: Watch
  readonly broker: Broker
  readonly random: Random
  /** The node that joins and leaves. */
  readonly extra: string
  readonly sessionMs: number
  readonly brokerDownMs: number
  /** Rejects when waiting became hopeless. */
  readonly until: (what: string, isMet: () => boolean) => Promise<void>
  /** A start that is not waited for. */
  readonly starting: (start: Promise<void>) => void
}

interface Hit {
  readonly members: readonly Member[]
  readonly pids: readonly number[]
  readonly partitions: readonly number[]
  readonly pending: number
  readonly counts: boolean
}

/** Samples were seen to come within it. */
const RECENT_MS = 2_500
const START_MS = 1_200
/** A node's own (process.ts). */
const STOP_LIMIT_MS = 10_000

export class Strike {
  /** Stops that took longer than a node allows itself. */
  slowStops = 0
  private readonly parts: StrikeParts

  constructor(parts: StrikeParts) {
    this.parts = parts
  }

  /** Those who can be hit: running, asked, with partitions. */
  targets(): readonly Member[] {
    const { fleet, watch } = this.parts
    return fleet.members.filter((member) => member.state === 'up' && (watch.lookAt(member)?.partitions.size ?? 0) > 0)
  }

  async run(number: number, planned: PlannedFault): Promise<Fault> {
    const { kind } = planned
    const all = this.targets()
    const one = all.slice(Math.floor(planned.whom * all.length)).slice(0, 1)
    const hit = this.hit(kind === 'kill all' || kind === 'broker' || kind === 'join or leave' ? all : one)
    const atMs = Date.now()
    const fault = { number, kind, atMs, partitions: hit.partitions, pending: hit.pending, counts: hit.counts }
    if (kind === 'broker') return { ...fault, what: await this.broker(planned) }
    if (kind === 'join or leave') return this.membership(fault, planned)
    if (one.length === 0) return { ...fault, what: `${kind}: nobody to hit` }
    if (kind === 'kill all') return { ...fault, what: await this.killAll(hit) }
    const [{ id }] = one
    const what = await this.one(number, id, planned, hit, atMs)
    return { ...fault, what: `${kind} ${id}${what}` }
  }

  private hit(members: readonly Member[]): Hit {
    const looks = members.flatMap((member) => this.parts.watch.lookAt(member) ?? [])
    const partitions = looks.flatMap((look) => [...look.partitions])
    const since = Date.now() - RECENT_MS
    const pending = partitions.reduce((sum, [, look]) => sum + look.pending, 0)
    const isBusy = partitions.some(([, look]) => look.grewAtMs > since)
    return {
      members,
      pids: members.map(({ pid }) => pid),
      partitions: partitions.map(([partition]) => partition),
      pending,
      counts: isBusy && pending > 0,
    }
  }

  private async one(number: number, id: string, planned: PlannedFault, hit: Hit, atMs: number): Promise<string> {
    const { fleet, watch, until, random } = this.parts
    const [fromPid] = hit.pids
    const takeovers = hit.partitions.map((partition) =>
      watch.expectTakeover({ fault: number, partition, fromPid, atMs }),
    )
    const taken = (): Promise<void> =>
      until(`partitions ${hit.partitions.join(', ')} of ${id} taken over`, () =>
        takeovers.every(({ tookMs }) => tookMs !== undefined),
      )
    if (planned.kind === 'freeze') {
      fleet.freeze(id)
      await taken()
      await sleep(planned.wait * this.parts.sessionMs)
      fleet.thaw(id)
      return ''
    }
    if (planned.kind === 'stop') await this.stop(id)
    else await fleet.kill(id)
    let told = ''
    if (planned.kind === 'delete journal') await fleet.deleteJournal(id)
    if (planned.kind === 'damage journal') told = `: ${(await fleet.damageJournal(id, random)).join(', ')}`
    if (planned.kind === 'delete snapshots') await fleet.deleteSnapshots(hit.partitions)
    if (planned.kind === 'damage snapshots')
      told = `: ${(await fleet.damageSnapshots(hit.partitions, random)).join(', ')}`
    const hasOthers = this.targets().length > 0
    if (!planned.startsAtOnce && hasOthers) await taken()
    this.start(id)
    if (planned.kind === 'kill twice') {
      await sleep(planned.wait * START_MS)
      await fleet.kill(id)
      this.start(id)
    }
    return told
  }

  private start(id: string): void {
    this.parts.starting(this.parts.fleet.start(id))
  }

  /**
   * SIGTERM ends in 0; save where the machine is so slow that the process's own limit ended it, and where a process that
   * had just been started could not hear it yet: then the signal itself ends it, and nothing has begun.
   */
  async stop(id: string): Promise<void> {
    const wasStarting = this.parts.fleet.member(id).state === 'starting'
    const startedMs = Date.now()
    const code = await this.parts.fleet.stop(id)
    const tookMs = Date.now() - startedMs
    if (code === 'SIGTERM' && wasStarting) return
    if (code !== 0 && tookMs < STOP_LIMIT_MS)
      throw new Error(`SIGTERM ended ${id} with exit code ${code} after ${tookMs} ms`)
    if (code !== 0) this.slowStops++
  }

  private async killAll({ members }: Hit): Promise<string> {
    const { fleet } = this.parts
    await Promise.all(members.map(({ id }) => fleet.kill(id)))
    for (const { id } of members) this.start(id)
    return `kill all: ${members.map(({ id }) => id).join(', ')}`
  }

  private async broker({ wait }: PlannedFault): Promise<string> {
    const { broker, brokerDownMs } = this.parts
    const downMs = Math.round(brokerDownMs * (0.5 + wait / 2))
    await broker.kill()
    await sleep(downMs)
    await broker.restart()
    return `broker down for ${downMs} ms`
  }

  /** The extra node comes; where it is there, it goes, by SIGTERM or kill -9. */
  private async membership(fault: Omit<Fault, 'what'>, planned: PlannedFault): Promise<Fault> {
    const { fleet, watch, until, extra } = this.parts
    const member = fleet.member(extra)
    if (member.state !== 'down') {
      const { pid } = member
      const hit = this.hit([member])
      for (const partition of hit.partitions)
        watch.expectTakeover({ fault: fault.number, partition, fromPid: pid, atMs: fault.atMs })
      if (planned.startsAtOnce) await fleet.kill(extra)
      else await this.stop(extra)
      const what = `leave ${extra} by ${planned.startsAtOnce ? 'kill -9' : 'SIGTERM'}`
      return { ...fault, what, partitions: hit.partitions, pending: hit.pending, counts: fault.counts && hit.counts }
    }
    await fleet.start(extra)
    const owns = (): boolean =>
      [...(watch.lookAt(fleet.member(extra))?.partitions.values() ?? [])].some(({ isLive }) => isLive)
    await until(`partitions for ${extra}, which joined`, owns)
    const partitions = [...watch.lookAt(fleet.member(extra))!.partitions.keys()]
    return { ...fault, what: `join ${extra}`, partitions }
  }
}
