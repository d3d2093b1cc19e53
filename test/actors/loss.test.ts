/** Ranges that retention took: named exactly, accepted exactly, and declared with every commit. */
import { describe, expect, it } from 'vitest'
import { checkLoss, mergeLost, missingRanges, parseLoss } from '../../src/actors/loss.ts'
import { decodeMetadata, encodeMetadata, MAX_METADATA_BYTES } from '../../src/actors/position.ts'
import { newLedger } from '../../src/join/ledger.ts'

const TOPICS = ['views', 'engagements']
const missing = missingRanges(TOPICS, [10, 50], [31, 50])

describe('a missing range', () => {
  it('is from where reading has to begin to where the log does', () => {
    expect(missing).toEqual([{ topic: 'views', from: 10, to: 30 }])
    expect(missingRanges(TOPICS, [10, 50], [10, 50])).toEqual([])
  })

  it('stops, with the flag that accepts it', () => {
    expect(() => checkLoss(missing, 3, [])).toThrow(
      /^views partition 3: offsets 10 to 30 are needed.*--accept-loss views:3:10-30$/,
    )
  })

  it('is accepted by exactly itself, in its own partition', () => {
    checkLoss(missing, 3, [parseLoss('views:3:10-30')!])
    for (const other of ['views:3:10-31', 'views:3:9-30', 'views:3:0-999', 'views:2:10-30', 'engagements:3:10-30']) {
      expect(() => checkLoss(missing, 3, [parseLoss(other)!])).toThrow('--accept-loss views:3:10-30')
    }
    expect(() => checkLoss(missing, 3, [parseLoss('views:3:10-31')!])).toThrow(
      'views:3:10-31 was accepted, which is another.',
    )
  })

  it('is written topic:partition:from-to, and nothing else', () => {
    expect(parseLoss('a.b-c_d:12:0-0')).toEqual({ topic: 'a.b-c_d', partition: 12, from: 0, to: 0 })
    for (const text of [
      'views:3',
      'views:3:10',
      'views:3:30-10',
      'views:x:1-2',
      ':3:1-2',
      'views:3:-1-2',
      'v:1:1-2 ',
    ]) {
      expect(parseLoss(text)).toBeUndefined()
    }
  })
})

describe('declared ranges', () => {
  it('are one where they touch or overlap, and stay apart by topic', () => {
    const of = (topic: string, from: number, to: number) => ({ topic, from, to })
    expect(mergeLost([of('b', 1, 5), of('a', 7, 9)], [of('a', 10, 12), of('b', 3, 4), of('a', 20, 21)])).toEqual([
      of('a', 7, 12),
      of('a', 20, 21),
      of('b', 1, 5),
    ])
  })

  it('are few, however many there were: the closest become one', () => {
    const many = Array.from({ length: 40 }, (_, k) => ({ topic: 'views', from: k * k * 10, to: k * k * 10 + 1 }))
    const merged = many.reduce((declared, range) => mergeLost(declared, [range]), [] as ReturnType<typeof mergeLost>)
    expect(merged.length).toBe(8)
    for (const { from, to } of many) expect(merged.some((range) => range.from <= from && to <= range.to)).toBe(true)
  })

  it('travel with the commit', () => {
    const lost = [
      { topic: 'engagements', from: 4, to: 9 },
      { topic: 'views', from: 10, to: 30 },
    ]
    const sources = new Map(TOPICS.map((topic) => [topic, { offset: 100, highestMs: 5, neededFrom: 90 }]))
    const position = { watermarkMs: 7, sources, deadLettersFrom: 0, ledger: [...newLedger()], lost }
    const text = encodeMetadata(position)
    expect(text.length).toBeLessThan(MAX_METADATA_BYTES)
    expect(decodeMetadata(text, new Map(TOPICS.map((topic) => [topic, 100])))).toEqual(position)
    expect(encodeMetadata({ ...position, lost: [] })).not.toContain('"x"')
  })
})
