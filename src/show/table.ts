/**
 * Tables for people: plain lines, numbers to the right. Where a width is given, the table fits it: titles break at blanks,
 * long texts give way, and what is left out in the end is named below. A number is never cut.
 */
import Table from 'cli-table3'

export interface Column {
  readonly title: string
  /** What is to the right is a number. */
  readonly align?: 'left' | 'right'
  /** A text that says nothing once it is cut, such as an id. */
  readonly whole?: boolean
  /** Left out where there is no room: the highest first. Absent: never. */
  readonly spare?: number
}

export interface TableOptions {
  /** Columns of the terminal; undefined: as wide as it is. */
  readonly width?: number
  /** Of the titles. */
  readonly style?: (text: string) => string
}

type Rows = readonly (readonly string[])[]

/** A text is not cut below this. */
const LEAST_WIDTH = 8
/** Of a cell: two blanks and a border. */
const CELL_EXTRA = 3

export function renderTable(
  columns: readonly Column[],
  rows: Rows,
  { width, style = (text) => text }: TableOptions = {},
): string {
  if (width === undefined || isFitting(columns, rows, width)) return drawn(columns, rows, naturalWidths, style)
  const kept = keptColumns(columns, rows, width)
  const pick = <T>(all: readonly T[]): T[] => kept.map((k) => all[k])
  const fitted = (some: readonly Column[], cells: Rows): readonly number[] => fittedWidths(some, cells, width)
  const table = drawn(pick(columns), rows.map(pick), fitted, style)
  const leftOut = columns.flatMap(({ title }, k) => (kept.includes(k) || title === '' ? [] : [title]))
  return leftOut.length === 0 ? table : `${table}\nno room for: ${leftOut.join(', ')}`
}

/** Whether it can be shown whole, as it is. */
export function isFitting(columns: readonly Column[], rows: Rows, width: number): boolean {
  return sizeOf(naturalWidths(columns, rows)) <= width
}

/** The widths of the cells' texts: what is too much is taken from the widest, again and again. */
export function fittedWidths(columns: readonly Column[], rows: Rows, width: number): readonly number[] {
  const least = leastWidths(columns, rows)
  const widths = [...naturalWidths(columns, rows)]
  for (let over = sizeOf(widths) - width; over > 0; over--) {
    const narrower = widths.flatMap((one, k) => (one > least[k] ? [k] : []))
    if (narrower.length === 0) break
    widths[narrower.reduce((widest, k) => (widths[k] > widths[widest] ? k : widest))]--
  }
  return widths
}

function naturalWidths(columns: readonly Column[], rows: Rows): readonly number[] {
  return columns.map(({ title }, k) => Math.max(title.length, ...rows.map((row) => row[k].length)))
}

/** As narrow as may be: a title's longest word, a number whole, some of a text. */
function leastWidths(columns: readonly Column[], rows: Rows): readonly number[] {
  return columns.map(({ title, align, whole }, k) => {
    const longest = Math.max(0, ...rows.map((row) => row[k].length))
    const isCut = align !== 'right' && whole !== true
    return Math.max(longestWord(title), isCut ? Math.min(longest, LEAST_WIDTH) : longest)
  })
}

/** Those that there is room for. */
function keptColumns(columns: readonly Column[], rows: Rows, width: number): readonly number[] {
  const least = leastWidths(columns, rows)
  let kept = columns.map((_, k) => k)
  while (sizeOf(kept.map((k) => least[k])) > width) {
    const most = Math.max(...kept.map((k) => columns[k].spare ?? 0))
    if (most <= 0) break
    kept = kept.filter((k) => columns[k].spare !== most)
  }
  return kept
}

function drawn(
  columns: readonly Column[],
  rows: Rows,
  widthsOf: (columns: readonly Column[], rows: Rows) => readonly number[],
  style: (text: string) => string,
): string {
  const widths = widthsOf(columns, rows)
  const table = new Table({
    head: columns.map(({ title }, k) => brokenTitle(title, widths[k]).map(style).join('\n')),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows.map((row) => row.map((text, k) => cut(text, widths[k]))))
  return table.toString()
}

function brokenTitle(title: string, width: number): string[] {
  return title.length <= width ? [title] : wrapped(title, width)
}

/** At blanks; a word that is longer than the width stands by itself. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

function longestWord(title: string): number {
  return Math.max(...title.split(' ').map((word) => word.length))
}

function sizeOf(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one + CELL_EXTRA, 1)
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`
}
