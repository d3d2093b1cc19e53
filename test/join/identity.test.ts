import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventBatch } from '../../src/join/event.ts'
import { Identity } from '../../src/join/identity.ts'
import { propertyOptions } from '../support/joinStreams.ts'
import { fillBatch } from '../support/pureJoin.ts'

const batch = new EventBatch()
const identity = new Identity()

function identityOf(user: string, item: string, time: number, viewId: string | null = null): string {
  fillBatch(batch, [{ source: 0, user, item, time, viewId }])
  identity.identify(batch, 0)
  return Buffer.from(identity.bytes.subarray(identity.at, identity.at + identity.length)).toString()
}

const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', '%', ':', '%3A', 'a:b', '::'.repeat(600)))

describe("a view's identity", () => {
  test.each([
    ['u', 'i', 12, null, 'u:i:12'],
    ['u', 'i', 12, 'v', 'v'],
    ['u', 'i', 12, '', ''],
    ['u:1', '50%', -5, null, 'u%3A1:50%25:-5'],
    ['%3A', 'ü', 1_700_000_000_000, null, '%253A:ü:1700000000000'],
    ['u', 'i', -0, null, 'u:i:0'],
  ])('of user %j, item %j, time %i and view id %j is %j', (user, item, time, viewId, expected) => {
    expect(identityOf(user, item, time, viewId)).toBe(expected)
  })

  test('tells different users, items and times apart', () => {
    const key = fc.tuple(text, text, fc.integer())
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(identityOf(...a) === identityOf(...b)).toBe(JSON.stringify(a) === JSON.stringify(b))
        expect(identityOf(...a).split(':')).toHaveLength(3)
      }),
      propertyOptions(500),
    )
  })
})
