import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Arena } from '../../src/join/arena.ts'
import { ChainTable } from '../../src/join/table.ts'
import { propertyOptions } from '../support/joinStreams.ts'

const NEXT_WORD = 2
const HASH_WORD = 3
const steps = fc.array(
  fc.record({ does: fc.constantFrom('insert', 'insert', 'after', 'after', 'remove'), hash: fc.nat(40), at: fc.nat() }),
  { maxLength: 900, size: 'max' },
)

function newBlock(arena: Arena, hash: number): number {
  const address = arena.allocate(16)
  arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + HASH_WORD] = hash
  return address
}

function chainOf(table: ChainTable, arena: Arena, hash: number): number[] {
  const chain: number[] = []
  for (let at = table.head(hash); at !== 0; at = table.next(at)) {
    if (arena.chunks[at >>> 16].u32[((at & 0xffff) << 2) + HASH_WORD] === hash) chain.push(at)
  }
  return chain
}

describe('a chain table', () => {
  test('keeps the blocks of a hash in the order in which they were put, while it grows and shrinks', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(1200), (list, salt, reserved) => {
        const arena = new Arena()
        const table = new ChainTable(arena, NEXT_WORD, HASH_WORD)
        table.reserve(reserved)
        const model = new Map<number, number[]>()
        let size = 0
        for (const step of list) {
          const hash = Math.imul(step.hash + 1, salt) >>> 0
          const chain = model.get(hash) ?? []
          model.set(hash, chain)
          const index = step.at % Math.max(chain.length, 1)
          if (step.does === 'remove') {
            if (chain.length === 0) continue
            table.remove(chain.splice(index, 1)[0])
            size--
          } else {
            const block = newBlock(arena, hash)
            size++
            if (step.does === 'insert' || chain.length === 0) {
              table.insert(block)
              chain.unshift(block)
            } else {
              table.insertAfter(block, chain[index])
              chain.splice(index + 1, 0, block)
            }
          }
        }
        expect(table.size).toBe(size)
        for (const [hash, chain] of model) expect(chainOf(table, arena, hash)).toEqual(chain)
        expect(allOf(table).sort()).toEqual([...model.values()].flat().sort())
      }),
      propertyOptions(100),
    )
  })

  test('finds each of many thousands in a chain of few', () => {
    const arena = new Arena()
    const table = new ChainTable(arena, NEXT_WORD, HASH_WORD)
    // Hashes that share their low bits, as those of one partition's users do.
    const hashes = Array.from({ length: 20_000 }, (_, i) => (i * 64 + 5) >>> 0)
    for (const hash of hashes) table.insert(newBlock(arena, hash))
    let longest = 0
    for (const hash of hashes) {
      let length = 0
      for (let at = table.head(hash); at !== 0; at = table.next(at)) length++
      longest = Math.max(longest, length)
      expect(chainOf(table, arena, hash)).toHaveLength(1)
    }
    expect(longest).toBeLessThan(12)
  })

  test('is walked without leaving out what was there, while others come and go', () => {
    const arena = new Arena()
    const table = new ChainTable(arena, NEXT_WORD, HASH_WORD)
    const blocks = Array.from({ length: 1000 }, (_, k) => newBlock(arena, Math.imul(k, 7919) >>> 0))
    for (const block of blocks) table.insert(block)
    const seen = new Set<number>()
    const others: number[] = []
    for (let bucket = 0, k = 0; bucket >= 0; k++) {
      let left = 20
      bucket = table.walk(bucket, (block) => {
        seen.add(block)
        return left-- > 0
      })
      for (let more = 0; more < 30 && k < 100; more++) {
        const other = newBlock(arena, Math.imul(others.length, 104_729) >>> 0)
        table.insert(other)
        others.push(other)
      }
      if (k % 3 === 0 && others.length > 0) table.remove(others.pop()!)
    }
    expect(others.length).toBeGreaterThan(1000)
    expect(blocks.filter((block) => !seen.has(block))).toEqual([])
  })

  test('is scanned round and round without leaving anything out', () => {
    const arena = new Arena()
    const table = new ChainTable(arena, NEXT_WORD, HASH_WORD)
    for (let hash = 0; hash < 1000; hash++) table.insert(newBlock(arena, hash * 7919))
    const seen = new Map<number, number>()
    let bucket = 0
    for (let k = 0; k < 5000; k++) {
      bucket = table.scan(bucket, (address) => {
        seen.set(address, (seen.get(address) ?? 0) + 1)
        return false
      })
    }
    expect([...seen.keys()].sort()).toEqual(allOf(table).sort())
    const times = [...seen.values()]
    expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1)
  })
})

function allOf(table: ChainTable): number[] {
  const all: number[] = []
  table.forEach((address) => {
    all.push(address)
  })
  return all
}
