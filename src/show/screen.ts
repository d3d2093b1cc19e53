/** Where something is shown: how wide it is, and whether it takes colours. Colours stay off where nobody looks. */
import { styleText } from 'node:util'
import { type Column, renderTable, wrapped } from './table.ts'

type Style = Parameters<typeof styleText>[0]

export interface Screen {
  /** Undefined: no terminal, so nothing is cut. */
  readonly width: number | undefined
  readonly colour: boolean
}

export const PLAIN: Screen = { width: undefined, colour: false }

const LEAST_WIDTH = 40

/** By https://no-color.org: set and not empty means none. */
export function screenOf(stream: { isTTY?: boolean; columns?: number }, env: NodeJS.ProcessEnv): Screen {
  if (stream.isTTY !== true) return PLAIN
  return {
    width: Math.max(stream.columns ?? 80, LEAST_WIDTH),
    colour: (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
  }
}

export function paint({ colour }: Screen, style: Style, text: string): string {
  return colour ? styleText(style, text, { validateStream: false }) : text
}

export function table(screen: Screen, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return renderTable(columns, rows, { width: screen.width, style: (text) => paint(screen, 'bold', text) })
}

/** A number. `spare`: left out where there is no room, the highest first. */
export const right = (title: string, spare?: number): Column => ({ title, align: 'right', spare })

export const left = (title: string, spare?: number): Column => ({ title, spare })

/** What is of no use once it is cut. */
export const whole = (title: string, spare?: number): Column => ({ title, spare, whole: true })

/** A text that goes on in further lines, below its own beginning, where the screen is too narrow for it. */
export function flowing({ width }: Screen, head: string, text: string): string {
  if (width === undefined) return head + text
  const room = Math.max(width - head.length, LEAST_WIDTH / 2)
  return head + wrapped(text, room).join(`\n${' '.repeat(head.length)}`)
}
