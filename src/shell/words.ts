/** A line as words: apart by blanks, together in quotes. Pure. */
import { WordsError } from './command.ts'

export function wordsOf(line: string): string[] {
  const words: string[] = []
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']\S*))/gy
  const text = line.trimEnd()
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null) throw new WordsError(`a quote is not closed: ${text.slice(at).trim()}`)
    const [, double, single, plain] = match
    words.push(double?.replace(/\\(.)/g, '$1') ?? single ?? plain)
  }
  return words
}
