/** What was thrown over a record, as its dead letter's reason. */
import { expect, test } from 'vitest'
import { thrownReason, withoutThrown } from '../../src/actors/thrown.ts'
import { Refusal } from '../../src/codec/error.ts'

test.each<[unknown, string]>([
  [new Error('seeded'), 'seeded'],
  [new Refusal('the record ends too early'), 'the record ends too early'],
  ['text', 'text'],
])('%o is told by what it says, and left out for whoever may not see it', (thrown, text) => {
  const reason = thrownReason('noSample', thrown)
  expect(reason).toBe(`no sample can be made of it: ${text}`)
  expect(withoutThrown(reason, '(hidden)')).toBe('no sample can be made of it: (hidden)')
})
