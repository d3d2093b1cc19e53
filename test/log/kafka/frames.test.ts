/** Frames out of a broker's bytes, wherever reads cut them, and when the memory of the large ones goes back. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dropFrame, Frames, holdFrame, MOST_FRAME_BYTES } from '../../../src/log/kafka/frames.ts'

const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

function framed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

test('frames come whole and in order, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(body, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 60 })), (bodies, cuts) => {
      const wanted = bodies.map(framed)
      const stream = Buffer.concat(wanted)
      const seen: Buffer[] = []
      const frames = new Frames()
      const read = Buffer.alloc(64)
      for (let at = 0, k = 0; at < stream.length; k++) {
        const length = stream.copy(read, 0, at, at + (cuts[k] ?? 64))
        seen.push(...frames.take(read.subarray(0, length)))
        // What was read lies in a buffer that is used again.
        read.fill(0xee)
        at += length
      }
      expect(seen).toEqual(wanted)
    }),
  )
})

test.each([-1, MOST_FRAME_BYTES + 1])('a length of %d is no frame', (bytes) => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes)
  expect(() => new Frames().take(length)).toThrow(`an answer of ${bytes} bytes`)
})

test('a large frame is given back when all of its parts were dropped', () => {
  const [frame] = new Frames().take(framed(Buffer.alloc(200_000, 1)))
  const parts = [frame.subarray(4, 100_000), frame.subarray(100_000)]
  parts.forEach(holdFrame)
  dropFrame(parts[1])
  expect(parts[0]).toEqual(Buffer.alloc(99_996, 1))
  dropFrame(parts[0])
  expect(parts[0].length).toBe(0)
})

test('a small frame, which shares its memory with others, is left alone', () => {
  const [frame] = new Frames().take(framed(Buffer.alloc(1_000, 1)))
  holdFrame(frame)
  dropFrame(frame)
  expect(frame.length).toBe(1_004)
})
