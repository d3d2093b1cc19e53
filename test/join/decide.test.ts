/** What tells engagements apart, and that telling does not depend on how many there are. */
import { describe, expect, test } from 'vitest'
import { type OracleConfig, type OracleEvent, PureJoin } from '../support/pureJoin.ts'

const CONFIG: OracleConfig = {
  partitions: 1,
  sources: ['views', 'ratings'],
  basis: 'event',
  outOfOrdernessMs: 0,
  allowedLatenessMs: 1000,
  clockSkewToleranceMs: 0,
  rememberSealedMs: 0,
  maxClockSkewMs: null,
  labels: [{ name: 'rating', on: 'rate', withinMs: 1000, fold: 'sum', default: 0 }],
}

const rating = (offset: number, value: number | null): OracleEvent => ({
  ...{ source: 1, offset, user: 'u', item: 'i', type: 'rate', time: 5, value },
})

describe('engagements without an id of one user, item, type and time', () => {
  test.each([
    ['whole', (k: number) => k],
    ['broken', (k: number) => -k / 10],
    ['large', (k: number) => k * 2 ** 40],
  ])('are looked for among few, where they differ in values that are %s', (_, valueAt) => {
    const join = new PureJoin(CONFIG)
    const { engagements } = join.state
    const next = engagements.next.bind(engagements)
    let steps = 0
    engagements.next = (address) => {
      steps++
      return next(address)
    }
    join.take(Array.from({ length: 3000 }, (_, k) => rating(k, valueAt(k))))
    expect(join.ledger).toMatchObject({ engagements: 3000, engagementDuplicates: 0 })
    expect(steps).toBeLessThan(2 * 3000)
  })

  test('repeat one another where their values are one text, or none', () => {
    const join = new PureJoin(CONFIG)
    const values = [0, -0, null, Number.NaN, 2 ** 53, 2 ** 53 + 1, 0.5, 5e-324]
    join.take(values.map((value, k) => rating(k, value)))
    expect(join.ledger).toMatchObject({ engagements: values.length, engagementDuplicates: 3 })
  })
})
