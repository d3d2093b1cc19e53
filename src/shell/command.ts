/**
 * What a command of the shell is: a question to a node and how its answer is shown. The same object is a line in
 * `postview repl` and `postview inspect <command>`.
 */
import type { Screen } from '../show/screen.ts'

/** A question to a node, by its path: any node answers for all. Rejects with one clear line. */
export type Ask = (path: string) => Promise<unknown>

export type Options = Readonly<Record<string, string | boolean | undefined>>

/** What comes after a command's own name: `what` tells completion what may stand there. */
export interface Argument {
  readonly name: string
  readonly what: 'partition' | 'user' | 'sample'
}

export interface Option {
  /** As commander takes it: `--limit <n>`. */
  readonly flags: string
  readonly description: string
  readonly what?: 'user' | 'label'
}

export interface ShellCommand {
  readonly name: string
  readonly summary: string
  /** Words that can be typed as they stand (with ids of one's own). */
  readonly example: string
  readonly argument?: Argument
  readonly options?: readonly Option[]
  /** Throws a WordsError for options that make no sense. */
  readonly path: (argument: string, options: Options) => string
  readonly render: (answer: never, screen: Screen) => string
  /** Of a command whose answer may tell a failure: then `postview inspect` ends with 1. */
  readonly isFailure?: (answer: never) => boolean
  /** Of a command that can go on: the path of the next question, by the answer before. */
  readonly next?: (path: string, answer: never) => string
}

/** What was typed makes no sense: told as one line. */
export class WordsError extends Error {
  override name = 'WordsError'
}

/** A path with a query of what is given. */
export function withQuery(path: string, query: Readonly<Record<string, string | boolean | undefined>>): string {
  const given: [string, string][] = []
  for (const [key, value] of Object.entries(query)) if (value !== undefined) given.push([key, String(value)])
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}
