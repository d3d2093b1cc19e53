import { describe, expect, it } from 'vitest'
import { LastCommits } from '../../src/cluster/lastCommits.ts'

const at = (partition: number, offset: number, metadata = 'm') => [
  { topic: 'views', partition, offset, metadata },
  { topic: 'clicks', partition, offset: offset * 2, metadata },
]

describe('a partition is still its own', () => {
  it('while the commit found is the one that it found or made last', async () => {
    const last = new LastCommits()
    last.found(1, [...at(0, 3), ...at(1, 5)])
    expect(last.isOwn(1, [...at(1, 5).reverse(), ...at(2, 9)])).toBe(true)
    await last.commit(at(1, 6), { commit: async () => {} })
    expect(last.isOwn(1, at(1, 6))).toBe(true)
    expect(last.isOwn(1, at(1, 5))).toBe(false)
  })

  it('also where it was never committed, or where the outcome of a commit is unknown', async () => {
    const last = new LastCommits()
    last.found(1, at(1, -1))
    expect(last.isOwn(1, at(1, -1))).toBe(true)
    const unanswered = last.commit(at(1, 4), { commit: () => Promise.reject(new Error('no answer')) })
    await expect(unanswered).rejects.toThrow('no answer')
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
