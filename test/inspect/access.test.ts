import { describe, expect, it } from 'vitest'
import { Access, askingHeaders, operatingHeaders } from '../../src/inspect/access.ts'
import { Buckets } from '../../src/inspect/buckets.ts'

const READ = 'read-token-of-length'
const OPERATE = 'operate-token-of-length'
const BOTH = 'both-token-of-length'
const PRIVILEGED = 'privileged-token-of-length'
const tokens = { read: [READ, BOTH], operate: [OPERATE, BOTH], privileged: [PRIVILEGED] }

const rolesOf = (authorization: string | undefined): string[] =>
  [...new Access(tokens).callerOf(authorization).roles].sort()

describe('roles', () => {
  it('are those under which the configuration names the token', () => {
    expect(rolesOf(`Bearer ${READ}`)).toEqual(['read'])
    expect(rolesOf(`bearer ${OPERATE}`)).toEqual(['operate'])
    expect(rolesOf(`Bearer ${BOTH}`)).toEqual(['operate', 'read'])
    expect(rolesOf(`Bearer ${PRIVILEGED}`)).toEqual(['privileged', 'read'])
  })

  it.each([
    undefined,
    '',
    READ,
    'Bearer',
    'Bearer ',
    `Basic ${READ}`,
    `Bearer ${READ}x`,
    `Bearer ${READ.slice(0, -1)}`,
    `Bearer ${READ} ${OPERATE}`,
    `Bearer ${READ.toUpperCase()}`,
    'Bearer undefined',
  ])('%s has none', (authorization) => expect(rolesOf(authorization)).toEqual([]))

  it('are all where no token is asked for, and none where tokens are and none is known', () => {
    expect(new Access(undefined).callerOf(undefined).roles.has('operate')).toBe(true)
    const closed = new Access({ read: [], operate: [], privileged: [] })
    expect([...closed.callerOf(undefined).roles, ...closed.callerOf('Bearer ').roles]).toEqual([])
  })
})

describe('what a process sends', () => {
  it('is the strongest token that looks, and to change something the one that operates', () => {
    expect(askingHeaders({ tokens })).toEqual({ authorization: `Bearer ${PRIVILEGED}` })
    expect(askingHeaders({ tokens: { ...tokens, privileged: [] } })).toEqual({ authorization: `Bearer ${READ}` })
    expect(operatingHeaders({ tokens })).toEqual({ authorization: `Bearer ${OPERATE}` })
    expect([askingHeaders({}), operatingHeaders({})]).toEqual([{}, {}])
  })
})

describe('buckets', () => {
  it('let in twice the rate at once, then the rate, each key for itself', () => {
    const buckets = new Buckets(10)
    const taken = (key: string, nowMs: number, times: number): number =>
      Array.from({ length: times }, () => buckets.take(key, 1, nowMs)).filter((waitMs) => waitMs === 0).length
    expect(taken('a', 0, 100)).toBe(20)
    expect(taken('b', 0, 100)).toBe(20)
    expect(buckets.take('a', 1, 0)).toBe(100)
    expect(taken('a', 1000, 100)).toBe(10)
    expect(taken('a', 60_000, 100)).toBe(20)
  })

  it('take what a request costs, and let in what costs more than they hold when full', () => {
    const buckets = new Buckets(10)
    expect(buckets.take('a', 15, 0)).toBe(0)
    expect(buckets.take('a', 15, 0)).toBe(1000)
    expect(buckets.take('b', 1000, 0)).toBe(0)
    expect(buckets.take('b', 1, 0)).toBe(100)
  })

  it('are bounded in number, and those in use stay', () => {
    const buckets = new Buckets(10)
    for (let i = 0; i < 20; i++) buckets.take('busy', 1, 0)
    for (let i = 0; i < 5000; i++) {
      buckets.take(`address-${i}`, 1, 0)
      if (i % 100 === 0) expect(buckets.take('busy', 1, 0)).toBeGreaterThan(0)
    }
    expect(buckets.size).toBeLessThanOrEqual(1024)
  })
})
