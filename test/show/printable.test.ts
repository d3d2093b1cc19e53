import { expect, it } from 'vitest'
import { answerText, printable, printableLines } from '../../src/show/printable.ts'

it.each([
  ['plain, ünïcödé, 日本, 🙂, \\', 'plain, ünïcödé, 日本, 🙂, \\'],
  ['a\x1b[2Jb\n\x00', 'a\\x1b[2Jb\\x0a\\x00'],
  ['\x7f\x80\x9b\x9f\xa0', '\\x7f\\x80\\x9b\\x9f\xa0'],
  ['\u2028\u2029\u202a\u202e\u2066\u2069', '\\u2028\\u2029\\u202a\\u202e\\u2066\\u2069'],
])('shows %j as %j', (text, expected) => expect(printable(text)).toBe(expected))

it("keeps the line ends of one's own text", () => {
  expect(printableLines('a\nb\x1b')).toBe('a\nb\\x1b')
})

it('renders what is printable, keys too, and leaves everything else as it is', () => {
  const answer = { 'k\x1b': ['v\x9b', 1, null, true, { deep: '\n' }] }
  const render = (shown: object): string => JSON.stringify(shown)
  expect(answerText(answer, false, render)).toBe(
    JSON.stringify({ 'k\\x1b': ['v\\x9b', 1, null, true, { deep: '\\x0a' }] }),
  )
})

it('writes JSON that means the same', () => {
  const answer = { 'k\x7f': '\x9b2J \u202e \n \u2028 🙂' }
  const text = answerText(answer, true, () => '')
  expect(text).toBe('{\n  "k\\u007f": "\\u009b2J \\u202e \\n \\u2028 🙂"\n}')
  expect(JSON.parse(text)).toEqual(answer)
})
