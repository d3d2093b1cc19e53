import { describe, expect, it } from 'vitest'
import { LastCommits } from '../../src/cluster/lastCommits.ts'

const at = (partition: number, offset: number, metadata = 'm') => [
  { topic: 'views', partition, offset, metadata },
  { topic: 'clicks', partition, offset: offset * 2, metadata },
]

describe('a partition is still its own', () => {
  it('while the commit found is the one that it found or made last', () => {
    const last = new LastCommits()
    last.found(1, [...at(0, 3), ...at(1, 5)])
    expect(last.isOwn(1, [...at(1, 5).reverse(), ...at(2, 9)])).toBe(true)
    last.trying(at(1, 6))
    last.acknowledged(at(1, 6))
    expect(last.isOwn(1, at(1, 6))).toBe(true)
    expect(last.isOwn(1, at(1, 5))).toBe(false)
  })

  it('also where it was never committed, or where the outcome of a commit is unknown', () => {
    const last = new LastCommits()
    last.found(1, at(1, -1))
    expect(last.isOwn(1, at(1, -1))).toBe(true)
    last.trying(at(1, 4))
    expect(last.isOwn(1, at(1, -1))).toBe(true)
    expect(last.isOwn(1, at(1, 4))).toBe(true)
  })

  it('not where somebody else has committed, be it the offsets or only what goes with them', () => {
    const last = new LastCommits()
    last.found(1, at(1, 5))
    expect(last.isOwn(1, at(1, 7))).toBe(false)
    expect(last.isOwn(1, at(1, 5, 'another watermark'))).toBe(false)
    expect(last.isOwn(2, at(2, 5))).toBe(false)
  })
})
