import { describe, expect, it } from 'vitest'
import { flowing, PLAIN, paint, screenOf } from '../../src/show/screen.ts'
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

describe('a table that is too wide', () => {
  const many = [
    { title: 'partition', align: 'right' as const },
    { title: 'node' },
    { title: 'next due in', align: 'right' as const },
    { title: 'users', align: 'right' as const, spare: 1 },
    { title: 'bytes', align: 'right' as const, spare: 2 },
  ]
  const row = ['7', 'a-node-of-a-long-name', '1,234', '2,345,678', '3,456,789']

  it('breaks titles and cuts texts before it leaves anything out, and never cuts a number', () => {
    const text = renderTable(many, [row], { width: 60 })
    expect(text.split('\n').every((line) => line.length <= 60)).toBe(true)
    expect(text).toMatch(/ next due │[\s\S]* in │/)
    for (const number of ['1,234', '2,345,678', '3,456,789']) expect(text).toContain(number)
    expect(text).toContain('a-node')
    expect(text).not.toContain('no room')
  })

  it('leaves out what is spare, the highest first, and says what', () => {
    expect(renderTable(many, [row], { width: 48 }).split('\n').at(-1)).toBe('no room for: bytes')
    const text = renderTable(many, [row], { width: 40 })
    expect(text.split('\n').at(-1)).toBe('no room for: users, bytes')
    expect(text).toContain('1,234')
  })

  it('leaves out rather than cuts an id', () => {
    const columns = many.map((column) => (column.title === 'node' ? { ...column, whole: true } : column))
    const text = renderTable(columns, [row], { width: 60 })
    expect(text).toContain('a-node-of-a-long-name')
    expect(text.split('\n').at(-1)).toBe('no room for: bytes')
  })

  it('is as wide as it must be where nothing more can go', () => {
    expect(renderTable(many, [row], { width: 10 })).toContain('1,234')
  })
})

describe('a line', () => {
  it('goes on below its own beginning', () => {
    const screen = { width: 40, colour: false }
    const text = flowing(screen, 'view        ', 'some words that do not all find room in the first line')
    expect(text.split('\n').length).toBe(2)
    expect(text.split('\n').every((line, k) => line.length <= 40 && (k === 0 || line.startsWith(' '.repeat(12))))).toBe(
      true,
    )
    expect(flowing(PLAIN, 'a ', 'b '.repeat(200))).not.toContain('\n')
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
