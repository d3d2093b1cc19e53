/**
 * What this member owns, from where each topic partition is read, and whether its records may pass.
 *
 * Owns: one place per assigned topic partition, and the turns in which the reader's owner is called: onAssigned and
 * onRevoking alternate, one at a time, the next only when the one before has settled.
 *
 * Invariants:
 * 1. Trap: each join of kafkajs starts at the committed offset again, also where a partition is kept. So the position
 *    is kept here. A chunk passes only through an open gate, only if it was fetched at or below the position, and moves
 *    the position to its own end; anything else is dropped and the position sought again.
 * 2. A gate opens when onAssigned of the current generation has answered, and closes before a rejoin. Until then the
 *    partition is paused, so that heartbeats go on however long a recovery takes.
 * 3. A pause of the owner outlives a rebalance in which the partition stays.
 * 4. A commit is this member's only while its assignment is in force and its owner has been told of it: not between the
 *    revocation and the next assignment, and not under a generation of which the owner does not know yet. Kafka checks
 *    the generation alone, and would let a member commit what it had an assignment ago.
 * 5. In a transaction the coordinator is told as whom a partition is committed: as the member of the last assignment, if
 *    that has it, whether or not the owner has been told of it, and also while the next one is under way. The coordinator
 *    judges; what the owner holds is judged by the transaction's own fence.
 * 6. A partition number that the owner gave no position for stays shut until the next generation.
 */
import { LogError, type ReaderEvents, type StartPosition, type TopicPartition } from '../port.ts'
import type { ConsumerGroup, MemberIdentity } from './internals.ts'

interface Place extends TopicPartition {
  position: number
  open: boolean
  paused: boolean
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

export class Membership {
  /** The generation's consumer group; a restarted consumer has a new one. */
  group: ConsumerGroup | null = null
  private places = new Map<string, Place>()
  private generation = 0
  /** Assignments so far; the one that the owner was told last; whether none is in force. */
  private assignments = 0
  private toldAssignment = 0
  private isBetween = true
  /** Of the last assignment. */
  private identity: MemberIdentity | undefined
  /** Partition numbers that the owner was told are its own; null once it was told that they go. */
  private told: readonly number[] | null = null
  private turns: Promise<void> = Promise.resolve()
  private turnsWaiting = 0
  private ended = false
  /** Those who wait for something to be fetched. */
  private readonly waiting = new Set<() => void>()
  private readonly events: ReaderEvents
  private readonly onFailed: (error: unknown) => void
  private readonly onOpened: () => void

  constructor(events: ReaderEvents, onOpened: () => void, onFailed: (error: unknown) => void) {
    this.events = events
    this.onOpened = onOpened
    this.onFailed = onFailed
  }

  /** Closes every gate and tells the owner. Resolves when it is done, or at once while it is busy with an assignment. */
  revoke(): Promise<void> {
    this.shut()
    const isBusy = this.turnsWaiting > 0
    const turn = this.takeTurn(async () => {
      const { told } = this
      this.told = null
      if (told !== null) await this.events.onRevoking(told)
    })
    return isBusy ? Promise.resolve() : turn
  }

  /** The group is joined anew: the assignment that was is over. */
  leave(): void {
    this.isBetween = true
  }

  /** A new generation: all paused, the owner asked where to begin, then sought and resumed. */
  assign(group: ConsumerGroup): void {
    this.group = group
    const generation = ++this.generation
    const assignment = ++this.assignments
    this.isBetween = false
    // Taken along with what it was given: the group object is in its next generation before it knows what that one gives.
    this.identity = { memberId: group.memberId!, generationId: group.generationId! }
    const before = this.places
    this.places = new Map()
    const assigned = group.assigned()
    for (const { topic, partitions } of assigned) {
      for (const partition of partitions) {
        const key = keyOf(topic, partition)
        const paused = before.get(key)?.paused ?? false
        this.places.set(key, { topic, partition, position: -1, open: false, paused })
      }
    }
    group.pause(assigned.filter(({ partitions }) => partitions.length > 0))
    const numbers = [...new Set(assigned.flatMap(({ partitions }) => partitions))].sort((a, b) => a - b)
    this.takeTurn(async () => {
      if (generation !== this.generation || this.ended) return
      this.told = numbers
      this.toldAssignment = assignment
      const starts = await this.events.onAssigned(numbers)
      if (generation === this.generation && !this.ended) this.open(group, starts)
    })
  }

  /** Where the records of a fetch that began at `fetchedFrom` are to be taken from; null: they are not to be taken. */
  take(topic: string, partition: number, fetchedFrom: number): number | null {
    const place = this.places.get(keyOf(topic, partition))
    if (place === undefined || !place.open) return null
    if (fetchedFrom <= place.position) return place.position
    this.seek(place)
    return null
  }

  /** Records up to `next` were taken. False: there were none at or above the position, which is sought anew. */
  advance(topic: string, partition: number, next: number): boolean {
    const place = this.places.get(keyOf(topic, partition))
    if (place === undefined || !place.open) return false
    if (next > place.position) {
      place.position = next
      return true
    }
    this.seek(place)
    return false
  }

  positionOf(topic: string, partition: number): number | undefined {
    return this.places.get(keyOf(topic, partition))?.position
  }

  owns(topic: string, partition: number): boolean {
    const isInForce = !this.ended && !this.isBetween && this.toldAssignment === this.assignments
    return isInForce && this.places.has(keyOf(topic, partition))
  }

  /** Of the last assignment, if it has the partition. */
  identityOf(partition: number): MemberIdentity | undefined {
    return [...this.places.values()].some((place) => place.partition === partition) ? this.identity : undefined
  }

  pause({ topic, partition }: TopicPartition): void {
    const place = this.places.get(keyOf(topic, partition))
    if (place === undefined) return
    place.paused = true
    this.group?.pause([{ topic, partitions: [partition] }])
  }

  resume({ topic, partition }: TopicPartition): void {
    const place = this.places.get(keyOf(topic, partition))
    if (place === undefined) return
    place.paused = false
    if (!place.open) return
    this.group?.resume([{ topic, partitions: [partition] }])
    this.wakeAll()
  }

  /** True at once where something may be fetched; else as soon as it may, or false after `waitMs`. */
  async wanted(waitMs: number): Promise<boolean> {
    if (this.isWanted()) return true
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      this.waiting.add(wake)
    })
    return this.isWanted()
  }

  /** Lets `wanted` answer at once. */
  wakeAll(): void {
    for (const wake of this.waiting) wake()
  }

  /** Nothing passes any more and nobody is called any more. */
  end(): void {
    this.ended = true
    this.shut()
  }

  private shut(): void {
    this.generation++
    for (const place of this.places.values()) place.open = false
    this.wakeAll()
  }

  private open(group: ConsumerGroup, starts: readonly StartPosition[]): void {
    for (const { topic, partition, offset } of starts) {
      const place = this.places.get(keyOf(topic, partition))
      if (place === undefined) continue
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw new LogError('FAILED', `${topic}/${partition} cannot be read from ${offset}`)
      }
      place.position = offset
      place.open = true
      this.seek(place)
      if (!place.paused) group.resume([{ topic, partitions: [partition] }])
    }
    this.wakeAll()
    this.onOpened()
  }

  private isWanted(): boolean {
    for (const place of this.places.values()) if (place.open && !place.paused) return true
    return false
  }

  private seek({ topic, partition, position }: Place): void {
    this.group?.seek({ topic, partition, offset: String(position) })
  }

  private takeTurn(body: () => Promise<void>): Promise<void> {
    this.turnsWaiting++
    this.turns = this.turns.then(async () => {
      try {
        if (!this.ended) await body()
      } catch (error) {
        this.onFailed(error)
      } finally {
        this.turnsWaiting--
      }
    })
    return this.turns
  }
}
