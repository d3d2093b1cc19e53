/**
 * A partition's state through a shared snapshot, taken while batches go on, and into another one: the same samples from
 * then on; and whatever bytes are damaged, never a wrong state.
 */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Capture } from '../../src/actors/partitionOptions.ts'
import { headerOf, loadSnapshot } from '../../src/actors/snapshotLoad.ts'
import { SnapshotTake } from '../../src/actors/snapshotTake.ts'
import { Spill } from '../../src/actors/spill.ts'
import { Turnstile } from '../../src/actors/turnstile.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import { admitTick } from '../../src/join/batch.ts'
import * as B from '../../src/join/blocks.ts'
import { emptyState } from '../../src/join/empty.ts'
import { addUser, addView, setPayload } from '../../src/join/evolve.ts'
import { murmur2 } from '../../src/join/hash.ts'
import * as L from '../../src/join/layout.ts'
import { encodeUser } from '../../src/join/snapshot.ts'
import type { JoinState } from '../../src/join/state.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { dataFrame, endFrame, FRAME_BYTES, headerFrame, SnapshotDamaged, USERS } from '../../src/snapshots/format.ts'
import { systemClock } from '../../src/time/clock.ts'
import { checkState } from '../support/checkState.ts'
import { dumpState } from '../support/dumpState.ts'
import { arrange, batchesOf, HARSH, joinStreams, propertyOptions, randomOf, takeBatch } from '../support/joinStreams.ts'
import { MemorySnapshots } from '../support/memorySnapshots.ts'
import { PureJoin } from '../support/pureJoin.ts'

const TOPICS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

function captureOf(s: JoinState): Capture {
  const sources = new Map(
    TOPICS.slice(0, s.sources).map((topic, source) => [
      topic,
      { offset: 1e6 + source, highestMs: s.clocks.highestMs[source], neededFrom: 0 },
    ]),
  )
  return {
    position: { watermarkMs: s.lastWatermarkMs, sources, deadLettersFrom: 0, ledger: [...s.ledger] },
    batchNumber: s.batchNumber,
    epoch: { releasing: new Map(), deleting: [], lastSegment: 0 },
  }
}

interface Taking {
  readonly take: SnapshotTake
  readonly done: Promise<unknown>
}

async function takeOf(s: JoinState, store: MemorySnapshots, limitBytes = 1 << 30): Promise<Taking> {
  const journal = await openMemoryJournal().partition(0)
  const capture = captureOf(s)
  const topics = TOPICS.slice(0, s.sources)
  const spill = new Spill(s, journal, undefined as unknown as SourceReader, 0)
  const turnstile = new Turnstile((error) => {
    throw error
  })
  const shared = { store, limitBytes }
  const options = { state: s, journal, spill, turnstile, shared, partition: 0, topics, fingerprint: 'f' }
  const take = new SnapshotTake({ ...options, clock: systemClock }, capture)
  const done = take.run()
  done.catch(() => {})
  take.answered(true)
  return { take, done }
}

async function load(
  s: JoinState,
  store: MemorySnapshots,
  balance: () => void = () => {},
  movedOut: ReadonlyMap<string, Buffer> = new Map(),
): Promise<void> {
  const [found] = await store.find()
  await loadSnapshot(found, await headerOf(found), {
    state: s,
    isLeftOut: () => false,
    peek: async (key) => movedOut.get(key.toString()) ?? null,
    balance: () => void balance(),
    onUsers: () => {},
    isStopped: () => false,
  })
}

/** Users and what lies in them, whatever blocks they lie in. */
function contentsOf(s: JoinState): unknown {
  const { pending, undecided, remembered } = dumpState(s)
  return { pending, undecided, remembered }
}

describe('a shared snapshot', () => {
  test('is given up where more is captured than may wait, before its store has begun', async () => {
    const [stream] = fc.sample(joinStreams(HARSH), { numRuns: 1, seed: 3 })
    const { state: s } = new PureJoin(stream.config)
    const store = new MemorySnapshots()
    const begin = store.begin.bind(store)
    let answer: () => void = () => {}
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    store.begin = async () => {
      await asked
      return begin()
    }
    const { take, done } = await takeOf(s, store, 3_000)
    for (let k = 0; k < 20; k++) {
      const id = Buffer.from(`user ${k}`)
      const user = addUser(s, murmur2(id, 0, id.length), id, 0, id.length)
      const input = { timeMs: 1, flags: 0, writer: 0, segment: 0, offset: k }
      const view = addView(s, user, input, id, 0, id.length, id, 0, id.length)
      setPayload(s, view, L.V_PAYLOAD, Buffer.alloc(500), 0, 500)
      take.before(user)
    }
    answer()
    await expect(done).rejects.toThrow(/^3\d\d\d bytes wait for the store to begin, beyond snapshots.memory$/)
    expect(store.published).toEqual([])
  })

  test('is the state at its capture, whatever batches come while it is taken', async () => {
    let users = 0
    await fc.assert(
      fc.asyncProperty(
        joinStreams({ ...HARSH, events: 80 }),
        fc.integer({ min: 0, max: 1_000 }),
        async (stream, at) => {
          const random = randomOf(stream, 1)
          const events = arrange(stream, random, { copies: 0.3, beyond: 0.3, ticks: 0.1 })
          const batches = batchesOf(events, () => random.chance(0.3))
          const from = at % batches.length
          const store = new MemorySnapshots()
          const join = new PureJoin(stream.config)
          for (const batch of batches.slice(0, from)) takeBatch(join, batch)
          const before = contentsOf(join.state)
          const then = {
            clocks: { ...join.state.clocks },
            ledger: [...join.state.ledger],
            samples: join.samples.length,
          }
          const highestMs = [...join.state.clocks.highestMs]
          const { take, done } = await takeOf(join.state, store)
          // The rest goes on over the snapshot that is being taken.
          join.beforeTurns = () => {
            const { touched, forgotten, arena } = join.state
            for (const user of touched.items.subarray(0, touched.length)) take.before(user)
            for (const view of forgotten.items.subarray(0, forgotten.length)) take.before(B.u32(arena, view, L.V_USER))
          }
          for (const batch of batches.slice(from)) {
            takeBatch(join, batch)
            if (random.chance(0.5)) await new Promise(setImmediate)
          }
          await done
          join.end()
          const other = new PureJoin(stream.config)
          await load(other.state, store)
          users += other.state.users.size
          expect(contentsOf(other.state)).toEqual(before)
          other.state.clocks.restore(then.clocks.watermarkMs, highestMs)
          other.state.ledger.set(then.ledger)
          admitTick(other.state)
          checkState(other.state)
          for (const batch of batches.slice(from)) takeBatch(other, batch)
          other.end()
          expect(other.samples).toEqual(join.samples.slice(then.samples))
          expect(other.ledger).toEqual(join.ledger)
        },
      ),
      propertyOptions(60),
    )
    expect(users).toBeGreaterThan(50)
  })

  test('is loaded with a look at the memory a frame, wherever users are cut', async () => {
    const [stream] = fc.sample(joinStreams(HARSH), { numRuns: 1, seed: 3 })
    const { state } = new PureJoin(stream.config)
    const payload = randomBytes(5_000)
    const input = { timeMs: 1, flags: 0, writer: 0, segment: 0 }
    for (let k = 0; k < 1_000; k++) {
      const id = Buffer.from(`user-${k}`)
      const user = addUser(state, murmur2(id, 0, id.length), id, 0, id.length)
      const view = addView(state, user, { ...input, offset: k }, id, 0, id.length, id, 0, id.length)
      setPayload(state, view, L.V_PAYLOAD, payload, 0, payload.length)
    }
    const store = new MemorySnapshots()
    const { done } = await takeOf(state, store)
    await done
    const other = new PureJoin(stream.config)
    const grown: number[] = [0]
    await load(other.state, store, () => grown.push(other.state.arena.usedBytes))
    expect(contentsOf(other.state)).toEqual(contentsOf(state))
    expect(grown.length).toBeGreaterThan(8)
    for (const [k, bytes] of grown.entries()) expect(bytes - (grown[k - 1] ?? 0)).toBeLessThan(2 * FRAME_BYTES)
  })

  test('gives a user who comes twice once, though the first was moved out in between', async () => {
    const [stream] = fc.sample(joinStreams(HARSH), { numRuns: 1, seed: 3 })
    const { state: s } = new PureJoin(stream.config)
    const id = Buffer.from('twice')
    const user = addUser(s, murmur2(id, 0, id.length), id, 0, id.length)
    addView(s, user, { timeMs: 1, flags: 0, writer: 0, segment: 0, offset: 5 }, id, 0, id.length, id, 0, id.length)
    const bytes = encodeUser(s, user)
    const head = Buffer.alloc(8)
    head.writeUInt32LE(id.length, 0)
    head.writeUInt32LE(bytes.length, 4)
    const entry = Buffer.concat([head, id, bytes])
    const header = { id: 'f', fingerprint: 'f', partition: 0, topics: [], offsets: [], neededFrom: [], highestMs: [] }
    const frames = [
      headerFrame({ ...header, watermarkMs: null, takenAtMs: 0 }),
      await dataFrame('f', USERS, 1, entry),
      await dataFrame('f', USERS, 2, entry),
      endFrame('f', 3, { frames: 3, users: 2, views: 2 }),
    ]
    const { state: other } = new PureJoin(stream.config)
    const movedOut = new Map<string, Buffer>()
    const sizes: number[] = []
    const moveOut = (): void => {
      sizes.push(other.users.size)
      other.users.walk(0, (one) => {
        movedOut.set(B.userText(other.arena, one), encodeUser(other, one))
        return false
      })
      emptyState(other)
    }
    await load(other, new MemorySnapshots([{ frames }]), moveOut, movedOut)
    expect(sizes).toEqual([1, 0])
  })

  test('with any byte changed, cut off or put in is refused, or is what it was', async () => {
    const [stream] = fc.sample(joinStreams({ ...HARSH, events: 80 }), { numRuns: 1, seed: 5 })
    const random = randomOf(stream, 2)
    const batches = batchesOf(arrange(stream, random, { copies: 0.3, beyond: 0.3, ticks: 0 }), () => random.chance(0.3))
    const join = new PureJoin({ ...stream.config, rememberSealedMs: 1e9 })
    for (const batch of batches) takeBatch(join, batch)
    const store = new MemorySnapshots()
    const { done } = await takeOf(join.state, store)
    await done
    const expected = contentsOf(join.state)
    const frames = store.published[0].frames
    const other = new PureJoin(stream.config)
    let refused = 0
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom('flip', 'cut', 'drop', 'swap', 'repeat', 'lose'),
        async (which, where, bits, harm) => {
          const harmed = frames.map((frame) => Buffer.from(frame))
          const k = which % harmed.length
          const at = where % harmed[k].length
          if (harm === 'flip') harmed[k][at] ^= bits
          else if (harm === 'cut') harmed[k] = harmed[k].subarray(0, at)
          else if (harm === 'drop') harmed.splice(k, 1)
          else if (harm === 'repeat') harmed.splice(k, 0, harmed[k])
          else if (harm === 'lose') harmed.length = k
          else [harmed[k], harmed[where % harmed.length]] = [harmed[where % harmed.length], harmed[k]]
          const damaged = new MemorySnapshots([{ frames: harmed }])
          try {
            await load(other.state, damaged)
            expect(contentsOf(other.state)).toEqual(expected)
          } catch (error) {
            expect(error).toBeInstanceOf(SnapshotDamaged)
            refused++
          }
          emptyState(other.state)
          expect(other.state.arena.usedBytes).toBe(0)
        },
      ),
      propertyOptions(300),
    )
    expect(refused).toBeGreaterThan(200)
  })
})
