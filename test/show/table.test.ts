import { describe, expect, it } from 'vitest'
import { PLAIN, paint, screenOf } from '../../src/show/screen.ts'
import { renderTable } from '../../src/show/table.ts'

const COLUMNS = [{ title: 'user' }, { title: 'event' }, { title: 'count', align: 'right' as const }]
const ROWS = [
  ['u-1', 'a text that is much longer than any terminal has room for in one line of a table', '7'],
  ['u-22', 'short', '12'],
]

describe('a table', () => {
  it('is as wide as it is where no width is given', () => {
    expect(renderTable(COLUMNS, ROWS)).toContain(ROWS[0][1])
  })

  it.each([40, 60, 80])('fits a terminal of %i columns, and cuts the longest text alone', (width) => {
    const text = renderTable(COLUMNS, ROWS, { width })
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
    expect(text).toContain('u-22')
    expect(text).toContain('…')
    expect(text).toContain('count')
  })
})

describe('colours', () => {
  it('are off where nobody looks, and where NO_COLOR says so', () => {
    expect(screenOf({}, {})).toEqual(PLAIN)
    expect(screenOf({ isTTY: true, columns: 100 }, {})).toEqual({ width: 100, colour: true })
    expect(screenOf({ isTTY: true, columns: 100 }, { NO_COLOR: '1' }).colour).toBe(false)
    expect(paint(PLAIN, 'red', 'x')).toBe('x')
    expect(paint({ width: 80, colour: true }, 'red', 'x')).toBe('\x1b[31mx\x1b[39m')
  })
})
