/** What the benchmark makes of a curve's points: which of them are to be explained, their plot, their place in a file. */
import { expect, test } from 'vitest'
import { bendsOf, type CurvePoint, curvePlots, curveSection, placed, shortNumber } from '../../bench/curveReport.mjs'

const pointOf = (x: number, cpuSPerMillion: number): CurvePoint => ({
  x,
  events: 435_000,
  keys: 1_000,
  eventsPerS: 1e6 / cpuSPerMillion,
  bytesPerS: 1e7,
  cpuSPerMillion,
  peakBytes: 5e8,
  load: 1,
  isRight: true,
})
const points = [pointOf(1_000, 10), pointOf(10_000, 20), pointOf(1_000_000, 20.1)]

test('a point that costs more than twice the least is to be explained', () => {
  expect(bendsOf(points).map(({ bends }) => bends)).toEqual([false, false, true])
})

test('a plot has a mark for each point, under where its line is', () => {
  const [rate, cost] = curvePlots(points).split('\n\n')
  expect(rate).toContain('thousand events/s')
  const lines = cost.split('\n')
  expect(lines.at(-1)).toMatch(/^ +1000 +10k +1M$/)
  expect(lines.at(-1)!.length).toBeGreaterThanOrEqual(Math.max(...lines.slice(1, -1).map(({ length }) => length)) - 1)
})

test('numbers are short', () => {
  expect([0.44, 0, 64, 1_000, 10_240, 300_000, 3_000_000].map(shortNumber)).toEqual([
    '0.44',
    '0',
    '64',
    '1000',
    '10.24k',
    '300k',
    '3M',
  ])
})

test('a section is put where it was, and what people wrote around it stays', () => {
  const first = placed(placed('# Curves\n', 'users', 'old\ntext'), 'skew', 'skew')
  const text = first.replace('<!-- end of users -->', '<!-- end of users -->\n\nWhy: $1 memory.')
  const again = placed(text, 'users', 'new $& text')
  expect(again).toBe(
    '# Curves\n\n<!-- measured: users -->\nnew $& text\n<!-- end of users -->\n\nWhy: $1 memory.\n\n' +
      '<!-- measured: skew -->\nskew\n<!-- end of skew -->\n',
  )
})

test('a section holds its plot and a row a point', () => {
  const section = curveSection({ title: 'Users', about: 'who' }, points, 'Node 20.')
  expect(section).toContain('## Users\n\nwho. Node 20.\n\n```text\n')
  expect(section.split('\n').filter((line) => line.startsWith('| '))).toHaveLength(2 + points.length)
  expect(section).toContain('2.01 x, bends')
})
