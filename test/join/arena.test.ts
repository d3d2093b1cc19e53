import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Arena } from '../../src/join/arena.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const MIB = 1 << 20
const sizes = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 300 }), weight: 6 },
  { arbitrary: fc.integer({ min: 1, max: 70_000 }), weight: 3 },
  { arbitrary: fc.constantFrom(MIB - 16, MIB - 15, MIB, MIB + 1, MIB + 17), weight: 1 },
)
const steps = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ allocate: sizes, raw: fc.boolean() }), weight: 3 },
    { arbitrary: fc.record({ release: fc.nat() }), weight: 2 },
  ),
  { maxLength: 120, size: 'max' },
)

interface Block {
  readonly address: number
  readonly sizeBytes: number
  readonly raw: boolean
  readonly mark: number
}

describe('the arena', () => {
  test('gives out blocks that do not overlap, keep their bytes, and are all given back', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const arena = new Arena()
        const live: Block[] = []
        let mark = 0
        for (const step of list) {
          if ('allocate' in step) {
            const { allocate: sizeBytes, raw } = step
            const address = raw ? arena.allocateRaw(sizeBytes) : arena.allocate(sizeBytes)
            expect(address).toBeGreaterThan(0)
            mark = (mark % 255) + 1
            live.push({ address, sizeBytes, raw, mark })
            fill(arena, live.at(-1)!)
          } else if (live.length > 0) {
            const [block] = live.splice(step.release % live.length, 1)
            expectWhole(arena, block)
            release(arena, block)
          }
          expect(arena.usedBytes).toBeGreaterThanOrEqual(live.reduce((sum, block) => sum + block.sizeBytes, 0))
          expect(arena.usedBytes).toBeLessThanOrEqual(arena.reservedBytes)
        }
        for (const block of live) expectWhole(arena, block)
        for (const block of live) release(arena, block)
        expect(arena.usedBytes).toBe(0)
      }),
      propertyOptions(60),
    )
  })

  test('holds a block of the largest class as its first', () => {
    const arena = new Arena()
    const address = arena.allocate(MIB)
    fill(arena, { address, sizeBytes: MIB, raw: false, mark: 1 })
    expectWhole(arena, { address, sizeBytes: MIB, raw: false, mark: 1 })
  })

  test('never gives out raw bytes as a block with a kind, so that a stale address cannot be misled', () => {
    const arena = new Arena()
    const once = arena.allocate(96)
    arena.release(once, 96)
    expect(arena.allocateRaw(96)).not.toBe(once)
    expect(arena.chunks[once >>> 16].u32[((once & 0xffff) << 2) + 1]).toBe(0)
    expect(arena.allocate(96)).toBe(once)
  })

  test('gives the memory of huge blocks back, and their addresses too', () => {
    const arena = new Arena()
    for (let k = 0; k < 500; k++) arena.releaseRaw(arena.allocateRaw(2 * MIB), 2 * MIB)
    expect(arena.chunks.length).toBeLessThan(4)
    expect(arena.reservedBytes).toBe(MIB)
  })

  test('reuses a freed block of the same size before taking new memory', () => {
    const arena = new Arena()
    for (let k = 0; k < 100_000; k++) arena.release(arena.allocate(200), 200)
    expect(arena.reservedBytes).toBe(MIB)
  })
})

function fill(arena: Arena, { address, sizeBytes, mark }: Block): void {
  const at = (address & 0xffff) << 4
  arena.chunks[address >>> 16].bytes.fill(mark, at, at + sizeBytes)
}

function expectWhole(arena: Arena, { address, sizeBytes, mark }: Block): void {
  const at = (address & 0xffff) << 4
  const bytes = arena.chunks[address >>> 16].bytes.subarray(at, at + sizeBytes)
  expect(bytes.length).toBe(sizeBytes)
  expect(bytes.equals(Buffer.alloc(sizeBytes, mark))).toBe(true)
}

function release(arena: Arena, { address, sizeBytes, raw }: Block): void {
  if (raw) arena.releaseRaw(address, sizeBytes)
  else arena.release(address, sizeBytes)
}
