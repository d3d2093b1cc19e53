/** Tables for people: plain lines, numbers to the right. Where a width is given, long texts give way so that it fits. */
import Table from 'cli-table3'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

export interface TableOptions {
  /** Columns of the terminal; undefined: as wide as it is. */
  readonly width?: number
  /** Of the titles. */
  readonly style?: (text: string) => string
}

/** A text is not cut below this. */
const LEAST_WIDTH = 8
/** Of a cell: two blanks and a border. */
const CELL_EXTRA = 3

export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, style = (text) => text }: TableOptions = {},
): string {
  const widths = width === undefined ? undefined : fittedWidths(columns, rows, width)
  const cellOf = (text: string, k: number): string => (widths === undefined ? text : cut(text, widths[k]))
  const table = new Table({
    head: columns.map((column, k) => style(cellOf(column.title, k))),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows.map((row) => row.map(cellOf)))
  return table.toString()
}

/** The widths of the cells' texts: what is too much is taken from the widest, again and again. */
export function fittedWidths(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly number[] {
  const widths = columns.map(({ title }, k) => Math.max(title.length, ...rows.map((row) => row[k].length)))
  const room = width - 1 - columns.length * CELL_EXTRA
  for (let over = widths.reduce((sum, one) => sum + one, 0) - room; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths))
    if (widths[widest] <= LEAST_WIDTH) break
    widths[widest]--
  }
  return widths
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`
}
