import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type FaultLog, faultLog } from '../../src/cluster/faultLog.ts'

let lines: object[]
let log: FaultLog
beforeEach(() => {
  vi.useFakeTimers()
  lines = []
  const keep = (level: string) => (fields: object, message: string) => void lines.push({ level, ...fields, message })
  log = faultLog({ debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }, 1000)
})
afterEach(() => {
  log.close()
  vi.useRealTimers()
})

describe('a fault', () => {
  it('is told at once, and then only counted, with its newest fields', () => {
    for (let offset = 0; offset < 5; offset++) log.warn({ partition: 1, offset }, 'bad')
    expect(lines).toEqual([{ level: 'warn', partition: 1, offset: 0, message: 'bad' }])
    vi.advanceTimersByTime(1000)
    expect(lines.slice(1)).toEqual([{ level: 'warn', partition: 1, offset: 4, repeated: 4, message: 'bad' }])
    expect(log.counts.get('bad')).toBe(5)
  })

  it('of another partition, topic or level is another one', () => {
    log.warn({ partition: 1 }, 'bad')
    log.warn({ partition: 2 }, 'bad')
    log.warn({ partition: 2, topic: 'views' }, 'bad')
    log.error({ partition: 1 }, 'bad')
    expect(lines).toHaveLength(4)
  })

  it('that has stopped for a while is told at once when it comes again', () => {
    log.warn({}, 'bad')
    vi.advanceTimersByTime(2000)
    log.warn({}, 'bad')
    expect(lines).toHaveLength(2)
  })

  it('that goes on is told once every while, and what is left at the end', () => {
    for (let s = 0; s < 10; s++) {
      for (let i = 0; i < 100; i++) log.error({}, 'bad')
      vi.advanceTimersByTime(1000)
    }
    log.error({}, 'bad')
    log.close()
    expect(lines).toHaveLength(1 + 10 + 1)
    const told = lines.reduce((sum, line) => sum + ((line as { repeated?: number }).repeated ?? 1), 0)
    expect(told).toBe(1001)
  })

  it('is named by who told it, where messages are made up of more', () => {
    for (let i = 0; i < 1000; i++) log.warn({ component: 'kafkajs Connection', broker: 'b:1' }, `connection ${i} lost`)
    expect([...log.counts]).toEqual([['kafkajs Connection', 1000]])
    expect(lines).toHaveLength(1)
  })

  it('that is one of very many pushes the oldest out, told and not lost', () => {
    for (let i = 0; i < 1000; i++) {
      log.warn({ partition: i }, 'bad')
      log.warn({ partition: i }, 'bad')
    }
    log.close()
    const told = lines.reduce((sum, line) => sum + ((line as { repeated?: number }).repeated ?? 1), 0)
    expect(told).toBe(2000)
  })
})

it('what is no fault passes as it is', () => {
  log.info({ a: 1 }, 'started')
  log.info({ a: 1 }, 'started')
  log.debug({}, 'detail')
  expect(lines.map((line) => (line as { level: string }).level)).toEqual(['info', 'info', 'debug'])
  expect(log.counts.size).toBe(0)
})
