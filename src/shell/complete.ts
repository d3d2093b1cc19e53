/** What may stand where the cursor is: commands, their flags, partitions, users, samples, labels. Pure. */
import { printable } from '../show/printable.ts'
import type { Argument, Option, ShellCommand } from './command.ts'

/** What is known of the cluster by now; what is not yet is empty. */
export interface Known {
  readonly partitions: readonly string[]
  /** Seen lately, the newest first. */
  readonly users: readonly string[]
  readonly samples: readonly string[]
  readonly labels: readonly string[]
}

export const NOTHING_KNOWN: Known = { partitions: [], users: [], samples: [], labels: [] }

/** Commands about commands, beside those of the list. */
const BESIDE = ['help', 'watch', 'exit']
const WATCH_FLAGS = ['--every', '--times']
const EVERYWHERE = ['--json']

/** As readline takes it: the words that fit, and what of the line they replace. */
export function complete(line: string, commands: readonly ShellCommand[], known: Known): [string[], string] {
  const words = line.trimStart().split(/\s+/)
  const last = words.pop()!
  const fitting = (all: readonly string[]): [string[], string] => [
    all.filter((one) => one.startsWith(last)).map((one) => `${one} `),
    last,
  ]
  if (words[0] === 'watch') words.splice(0, watchWords(words))
  else if (words.length === 0) return fitting([...commands.map(({ name }) => name), ...BESIDE].sort())
  const names = commands.map(({ name }) => name)
  if (words.length === 0) return fitting(last.startsWith('-') ? WATCH_FLAGS : names)
  if (words[0] === 'help') return fitting(words.length === 1 ? names : [])
  const command = commands.find(({ name }) => name === words[0])
  if (command === undefined) return [[], last]
  return completeIn(command, words.slice(1), last, known, fitting)
}

function completeIn(
  { argument, options = [] }: ShellCommand,
  words: readonly string[],
  last: string,
  known: Known,
  fitting: (all: readonly string[]) => [string[], string],
): [string[], string] {
  const before = options.find(({ flags }) => flags.includes('<') && nameOf(flags) === words.at(-1))
  if (before !== undefined) {
    if (before.what !== 'label') return fitting(valuesOf(before.what, known))
    // The value of a label follows at once.
    return [known.labels.filter((one) => `${one}=`.startsWith(last)).map((one) => `${one}=`), last]
  }
  if (last.startsWith('-')) return fitting([...options.map(({ flags }) => nameOf(flags)), ...EVERYWHERE])
  const isMissing = argument !== undefined && words.every((word) => word.startsWith('-'))
  return fitting(isMissing ? valuesOf(argument.what, known) : [])
}

/** How many words a `watch` has before the command that it repeats. */
function watchWords(words: readonly string[]): number {
  let count = 1
  while (WATCH_FLAGS.includes(words[count])) count += 2
  return Math.min(count, words.length)
}

function valuesOf(what: Argument['what'] | Option['what'], known: Known): readonly string[] {
  if (what === 'partition') return known.partitions
  if (what === 'user') return typed(known.users)
  return what === 'sample' ? typed(known.samples) : []
}

/** As they have to be typed. What cannot be typed, and would act on the terminal, is not offered. */
function typed(ids: readonly string[]): string[] {
  return ids.filter((id) => printable(id) === id).map(quoted)
}

function quoted(id: string): string {
  return /^[^\s"'\\]+$/.test(id) ? id : `"${id.replace(/["\\]/g, '\\$&')}"`
}

function nameOf(flags: string): string {
  return flags.split(' ')[0]
}
