/**
 * A batch's way through a partition: admit (clocks, quarantine, keying), gather (who has records, who has due times),
 * one turn a user, order, settle. The caller gives each touched user its turn (through the user's actor) between
 * `gather` and `order`, and makes samples and side outputs between `order` and `settle`.
 *
 * Invariant: what is in no user's hands (clocks, the records' watermarks, the order of what goes out) is decided here,
 * record by record, so that splitting the input into other batches changes nothing.
 */
import * as B from './blocks.ts'
import { dueMs, findUser } from './decide.ts'
import { CLOCK, type EventBatch, REFUSED, SKIPPED, VIEW } from './event.ts'
import * as E from './evolve.ts'
import { murmur2, partitionOf } from './hash.ts'
import * as L from './layout.ts'
import * as Count from './ledger.ts'
import type { JoinState } from './state.ts'

export interface AdmitOptions {
  readonly source: number
  readonly partition: number
  readonly partitions: number
  /** The machine's clock, ms since 1970. */
  readonly wallMs: number
  /** Records already written to the dead letters by a decision that the log alone does not give. */
  readonly isQuarantined?: (source: number, offset: number) => boolean
}

export class MiskeyedError extends Error {
  readonly offset: number
  readonly expected: number
  constructor(offset: number, expected: number) {
    super(`record at offset ${offset} belongs in partition ${expected}`)
    this.name = 'MiskeyedError'
    this.offset = offset
    this.expected = expected
  }
}

/** A record that goes to the dead letters. */
export interface DeadRecord {
  readonly i: number
  readonly reason: string
  /** The log alone would not give this decision again: it is read back from the dead letters. */
  readonly decided: boolean
}

/**
 * Moves the clocks over the batch and leaves each record's watermark, user hash and fate behind. Returns the records
 * that go to the dead letters. With `onMiskeyed: stop` it throws MiskeyedError before anything has changed.
 */
export function admit(s: JoinState, batch: EventBatch, options: AdmitOptions): readonly DeadRecord[] {
  const { kind, count } = batch
  hashUsers(s, batch, options)
  s.batch = batch
  s.source = options.source
  s.batchNumber++
  s.watermarkBeforeMs = s.lastWatermarkMs
  const dead: DeadRecord[] = []
  if (s.watermarkAt.length < count + 1) s.watermarkAt = new Float64Array((count + 1) * 2)
  const byArrival = s.rules.basis === 'arrival'
  const latestMs = options.wallMs + s.rules.maxClockSkewMs
  for (let i = 0; i < count; i++) {
    if (kind[i] === CLOCK) s.clocks.tell(batch.told.get(i)!)
    else if (kind[i] !== SKIPPED) {
      s.ledger[Count.RECORDS]++
      const fate = kind[i] === REFUSED ? batch.refusals.get(i) : isolate(s, batch, i, latestMs, options)
      if (fate === undefined) s.clocks.record(options.source, byArrival ? batch.stampMs[i] : batch.timeMs[i])
      else if (kind[i] === REFUSED) {
        s.ledger[Count.REFUSED_RECORDS]++
        const isWritten = options.isQuarantined?.(options.source, batch.offset[i]) === true
        if (!isWritten) dead.push({ i, reason: fate, decided: batch.decided.has(i) })
      } else {
        quarantine(s, batch, i)
        if (fate !== KNOWN) dead.push({ i, reason: fate, decided: true })
      }
    }
    s.watermarkAt[i] = s.clocks.watermarkMs
  }
  s.watermarkCount = Math.max(count, 1)
  if (count === 0) s.watermarkAt[0] = s.clocks.watermarkMs
  return dead
}

const KNOWN = 'in the dead letters already'

function isolate(s: JoinState, batch: EventBatch, i: number, latestMs: number, o: AdmitOptions): string | undefined {
  if (o.isQuarantined?.(o.source, batch.offset[i])) return KNOWN
  if (batch.timeMs[i] > latestMs) {
    return `event time is ${Math.round(batch.timeMs[i] - latestMs + s.rules.maxClockSkewMs)} ms ahead of the clock`
  }
  if (s.rules.basis === 'arrival' && batch.stampMs[i] > latestMs) {
    return `its timestamp is ${Math.round(batch.stampMs[i] - latestMs + s.rules.maxClockSkewMs)} ms ahead of the clock`
  }
  return undefined
}

function quarantine(s: JoinState, batch: EventBatch, i: number): void {
  if (batch.kind[i] === VIEW) {
    s.ledger[Count.VIEWS]++
    s.ledger[Count.VIEWS_QUARANTINED]++
  } else {
    s.ledger[Count.ENGAGEMENTS]++
    s.ledger[Count.ENGAGEMENTS_QUARANTINED]++
  }
  batch.kind[i] = SKIPPED
}

/** Hashes users, refuses ids that are too long, and finds records in a partition where they do not belong. */
function hashUsers(s: JoinState, batch: EventBatch, options: AdmitOptions): void {
  s.userHash.reserve(batch.count)
  const hashes = s.userHash.items
  for (let i = 0; i < batch.count; i++) {
    if (batch.kind[i] >= REFUSED) continue
    if (hasTooLongId(batch, i)) {
      batch.refuse(i, `an id is longer than ${L.MAX_ID_BYTES} bytes`)
      continue
    }
    const hash = murmur2(batch.text, batch.userAt[i], batch.userLength[i])
    hashes[i] = hash
    const expected = partitionOf(hash, options.partitions)
    if (expected === options.partition) continue
    if (s.rules.onMiskeyed === 'stop') throw new MiskeyedError(batch.offset[i], expected)
    batch.refuse(i, `keyed wrongly: the text of its user id belongs in partition ${expected}`)
  }
}

/** Whether an id is longer than a block's length fields can say; such a record is refused, live and in replay. */
export function hasTooLongId(batch: EventBatch, i: number): boolean {
  return (
    batch.userLength[i] > L.MAX_ID_BYTES ||
    batch.itemLength[i] > L.MAX_ID_BYTES ||
    batch.viewIdLength[i] > L.MAX_ID_BYTES ||
    (batch.kind[i] !== VIEW && (batch.engagementIdLength[i] > L.MAX_ID_BYTES || batch.typeLength[i] > L.MAX_ID_BYTES))
  )
}

/** A tick: the clocks have moved without a record. */
export function admitTick(s: JoinState): void {
  s.batch = undefined
  s.batchNumber++
  s.watermarkBeforeMs = s.lastWatermarkMs
  s.watermarkAt[0] = s.clocks.watermarkMs
  s.watermarkCount = 1
}

/** Finds the users that have records or due times in this batch; they are then in `s.touched`. */
export function gather(s: JoinState): void {
  s.touched.clear()
  s.dueAddress.clear()
  s.dueNext.clear()
  const batch = s.batch
  if (batch !== undefined) {
    s.nextOfUser.reserve(batch.count)
    for (let i = 0; i < batch.count; i++) {
      if (batch.kind[i] < REFUSED) gatherRecord(s, batch, i)
    }
  }
  s.timers.take(
    s.lastWatermarkMs,
    (address) => dueMs(s, address),
    (address) => gatherDue(s, address),
  )
}

function gatherRecord(s: JoinState, batch: EventBatch, i: number): void {
  const hash = s.userHash.items[i]
  let user = findUser(s, hash, batch.text, batch.userAt[i], batch.userLength[i])
  if (user === 0) user = E.addUser(s, hash, batch.text, batch.userAt[i], batch.userLength[i])
  const u32 = s.arena.chunks[user >>> 16].u32
  const word = (user & 0xffff) << 2
  const next = s.nextOfUser.items
  next[i] = 0
  if (u32[word + L.U_BATCH] !== s.batchNumber) {
    u32[word + L.U_BATCH] = s.batchNumber
    u32[word + L.U_FIRST] = i + 1
    touch(s, user)
  } else next[u32[word + L.U_LAST] - 1] = i + 1
  u32[word + L.U_LAST] = i + 1
}

/** Puts the user on the list of this batch, with no due times yet. */
function touch(s: JoinState, user: number): void {
  B.setU32(s.arena, user, L.U_DUE, 0)
  s.touched.push(user)
}

/** A timer whose block was given up and given out again may stand twice in the queue: the second is passed over. */
function gatherDue(s: JoinState, address: number): void {
  if (B.hasFlag(s.arena, address, L.F_QUEUED)) return
  B.setFlag(s.arena, address, L.F_QUEUED)
  if (B.hasFlag(s.arena, address, L.F_SEALED)) {
    s.forgotten.push(address)
    return
  }
  const user = B.u32(s.arena, address, L.V_USER)
  if (B.u32(s.arena, user, L.U_BATCH) !== s.batchNumber) {
    B.setU32(s.arena, user, L.U_BATCH, s.batchNumber)
    B.setU32(s.arena, user, L.U_FIRST, 0)
    touch(s, user)
  }
  s.dueAddress.push(address)
  s.dueNext.push(B.u32(s.arena, user, L.U_DUE))
  B.setU32(s.arena, user, L.U_DUE, s.dueAddress.length)
}

/** The due times of one user, again, after its state was rebuilt in the middle of a batch. */
export function gatherUser(s: JoinState, user: number): void {
  B.setU32(s.arena, user, L.U_DUE, 0)
  s.timers.take(
    s.lastWatermarkMs,
    (address) => dueMs(s, address),
    (address) => gatherDue(s, address),
  )
}

/**
 * After output: forgets what the batch is done with. Sealed views are remembered from here on, given-up engagements and
 * forgotten views are freed, and users of whom nothing is left are handed to `emptied`, which decides what becomes of
 * their blocks. False: `isOver` asked for a pause, and it is to be called again.
 */
export function settleBatch(
  s: JoinState,
  emptied: (user: number) => void,
  isOver: () => boolean = () => false,
): boolean {
  while (s.gaveUp.length > 0) {
    E.freeEngagement(s, s.gaveUp.pop())
    if (isOver()) return false
  }
  while (s.sealed.length > 0) {
    remember(s, s.sealed.pop())
    if (isOver()) return false
  }
  while (s.forgotten.length > 0) {
    forget(s, s.forgotten.pop(), emptied)
    if (isOver()) return false
  }
  for (let k = 0; k < s.touched.length; k++) if (isEmptyUser(s, s.touched.items[k])) emptied(s.touched.items[k])
  s.sealedFire.clear()
  s.gaveUpFire.clear()
  s.gaveUpReason.clear()
  s.lateRecords.clear()
  s.batch = undefined
  s.settle()
  return true
}

function forget(s: JoinState, view: number, emptied: (user: number) => void): void {
  const user = B.u32(s.arena, view, L.V_USER)
  E.freeView(s, view)
  // Stored before this is committed, the user would lack a view that the commit still remembers.
  B.setU32(s.arena, user, L.U_TOUCHED, s.batchNumber)
  if (B.u32(s.arena, user, L.U_BATCH) !== s.batchNumber && isEmptyUser(s, user)) emptied(user)
}

function remember(s: JoinState, view: number): void {
  E.settleSealed(s, view)
  B.clearFlag(s.arena, view, L.F_QUEUED)
  const forgetMs = dueMs(s, view)
  if (forgetMs < s.lastWatermarkMs || !Number.isFinite(s.lastWatermarkMs)) s.forgotten.push(view)
  else s.timers.set(forgetMs, view)
}

/** Whether nothing of the user is left: no view, no engagement. */
export function isEmptyUser(s: JoinState, user: number): boolean {
  return B.u32(s.arena, user, L.U_VIEWS) === 0 && B.u32(s.arena, user, L.U_UNDECIDED) === 0
}
