/**
 * What others wrote, as a terminal may have it: keys, ids and texts of events may hold what acts on one (escape sequences,
 * line ends that fake a line, marks that turn the direction of reading). Such characters are shown, as \xNN or \uNNNN. Pure.
 */
const ACTING = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

export function printable(text: string): string {
  return text.replace(ACTING, (one) => (one < '\u0100' ? `\\x${hex(one, 2)}` : `\\u${hex(one, 4)}`))
}

/** Of our own lines, such as an error's, in which others' words may stand. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** An answer as it is shown: as JSON, or as people read it. Renderers see no text that acts on a terminal. */
export function answerText<T>(answer: T, isJson: boolean | undefined, render: (answer: T) => string): string {
  return isJson === true ? jsonText(answer) : render(printableIn(answer) as T)
}

/** The same JSON, to whoever parses it: it escapes of itself what is below a blank, and here the rest. */
function jsonText(answer: unknown): string {
  const lines = JSON.stringify(answer, null, 2).split('\n')
  return lines.map((line) => line.replace(ACTING, (one) => `\\u${hex(one, 4)}`)).join('\n')
}

function printableIn(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.map(printableIn)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [printable(key), printableIn(inner)]))
}

function hex(one: string, digits: number): string {
  return one.charCodeAt(0).toString(16).padStart(digits, '0')
}
