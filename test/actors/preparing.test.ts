/** Waiting for a schema registry: however it fails, a partition waits, and the process goes on. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { prepared } from '../../src/actors/preparing.ts'
import type { SourceReader } from '../../src/codec/port.ts'
import type { RawChunk } from '../../src/log/chunk.ts'

const CHUNK = {} as RawChunk
const unhandled: unknown[] = []
const heard = (reason: unknown): void => void unhandled.push(reason)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', heard)
})
afterEach(() => void process.off('unhandledRejection', heard))

/** Fails so often, then knows what it must. */
function readerFailing(times: number) {
  let asked = 0
  const prepare = (): Promise<void> | undefined => {
    if (asked > times) return undefined
    return asked++ < times ? Promise.reject(new Error(`failure ${asked}`)) : Promise.resolve()
  }
  return { reader: { prepare } as unknown as SourceReader, asked: () => asked }
}

it('is tried again, each failure told once, and nothing asked for twice at a time', async () => {
  const { reader, asked } = readerFailing(2)
  const troubles: string[] = []
  await prepared(reader, CHUNK, { isStopped: () => false, onTrouble: ({ message }) => troubles.push(message) })
  expect(troubles).toEqual(['failure 1', 'failure 2'])
  expect(asked()).toBe(3)
  await prepared(reader, CHUNK, { isStopped: () => false, onTrouble: () => troubles.push('more') })
  expect(troubles).toHaveLength(2)
})

it('that fails where the partition is stopped already ends nothing else', async () => {
  await prepared(readerFailing(1).reader, CHUNK, { isStopped: () => true, onTrouble: () => {} })
  await new Promise(setImmediate)
  expect(unhandled).toEqual([])
})
