import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BadRecord, cutFrames, cutLines, type Records, TooManyRecords } from '../../src/inspect/body.ts'

const texts = ({ bytes, at, length }: Records) =>
  [...at].map((from, i) => bytes.toString('utf8', from, from + length[i]))

function framed(values: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(value.length)
      return Buffer.concat([header, value])
    }),
  )
}

describe('a body of lines', () => {
  it('is cut at line ends, with or without one at its own end', () => {
    expect(texts(cutLines(Buffer.from('{"a":1}\n{"b":2}'), 10))).toEqual(['{"a":1}', '{"b":2}'])
    expect(texts(cutLines(Buffer.from('{"a":1}\n{"b":2}\n'), 10))).toEqual(['{"a":1}', '{"b":2}'])
  })

  it('counts blank lines and passes them over', () => {
    const records = cutLines(Buffer.from('\n{"a":1}\r\n \t\r\n{"b":2}\n\n'), 10)
    expect(texts(records).map((text) => text.trim())).toEqual(['{"a":1}', '{"b":2}'])
    expect([...records.number]).toEqual([2, 4])
  })

  it('may be empty', () => {
    expect(cutLines(Buffer.alloc(0), 10).count).toBe(0)
  })

  it('is refused when it has too many lines, were they blank', () => {
    expect(() => cutLines(Buffer.from('\n'.repeat(11)), 10)).toThrow(TooManyRecords)
    expect(cutLines(Buffer.from('\n'.repeat(10)), 10).count).toBe(0)
  })
})

describe('a body of frames', () => {
  it('is cut into what was framed, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (values) => {
        const { bytes, at, length } = cutFrames(framed(values), 20)
        const found = [...at].map((from, i) => [...bytes.subarray(from, from + length[i])])
        expect(found).toEqual(values.map((value) => [...value]))
      }),
    )
  })

  it('is refused with the number of the frame that claims more than there is', () => {
    const body = framed([Buffer.from('one'), Buffer.from('two')])
    const cut = () => cutFrames(body.subarray(0, body.length - 1), 10)
    expect(cut).toThrow(BadRecord)
    expect(cut).toThrow('frame 2: it claims 3 bytes and the body has 2 more')
  })

  it('is refused when it ends within a length', () => {
    expect(() => cutFrames(Buffer.from([0, 0, 0]), 10)).toThrow('frame 1: the body ends within its length')
  })

  it('believes no length beyond the body', () => {
    expect(() => cutFrames(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]), 10)).toThrow(/claims 4294967295 bytes/)
  })

  it('is refused when it has too many frames, were they empty', () => {
    expect(() => cutFrames(Buffer.alloc(4 * 11), 10)).toThrow(TooManyRecords)
  })
})
