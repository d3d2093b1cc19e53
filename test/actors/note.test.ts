import { expect, it } from 'vitest'
import { decodeMark, decodeNote, encodeMark, encodeNote, isAhead } from '../../src/actors/note.ts'

const COMMIT = { offsets: [10, 20, 30], watermarkMs: 1_000 }

it('a commit is ahead of another in any one source, whatever the sum, and in the watermark', () => {
  expect(isAhead(COMMIT, COMMIT)).toBe(false)
  expect(isAhead(COMMIT, { offsets: [90, 20, 31], watermarkMs: 1_000 })).toBe(false)
  expect(isAhead(COMMIT, { offsets: [90, 19, 90], watermarkMs: 9_000 })).toBe(true)
  expect(isAhead(COMMIT, { offsets: [90, 90, 90], watermarkMs: 999 })).toBe(true)
  expect(isAhead({ ...COMMIT, watermarkMs: Number.NEGATIVE_INFINITY }, COMMIT)).toBe(false)
})

it('notes and marks come back as they were', () => {
  const note = { commit: COMMIT, segment: 7, lowest: Float64Array.of(1, Number.POSITIVE_INFINITY, 3) }
  expect(decodeNote(encodeNote(note), 3)).toEqual(note)
  const first = {
    commit: { offsets: [0, 0, 0], watermarkMs: Number.NEGATIVE_INFINITY },
    segment: 0,
    lowest: note.lowest,
  }
  expect(decodeNote(encodeNote(first), 3)).toEqual(first)
  const mark = { first: 4, fingerprint: 'f', begins: [1, 2, 3], upTo: 9, owner: 'o', ...first.commit }
  expect(decodeMark(encodeMark(mark))).toMatchObject(mark)
  const { owner: _, ...nobodys } = mark
  expect(decodeMark(encodeMark(nobodys))?.owner).toBeUndefined()
})

it('a mark of another version is none', () => {
  const text = encodeMark({ first: 4, fingerprint: 'f', begins: [1], upTo: 0, offsets: [1], watermarkMs: 0 }).toString()
  expect(decodeMark(Buffer.from(text.replace(/"v":\d+/, '"v":1')))).toBeUndefined()
  expect(decodeMark(Buffer.from('no mark'))).toBeUndefined()
})
