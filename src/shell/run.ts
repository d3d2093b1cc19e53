/**
 * Runs commands of the shell, once or again and again. commander reads their words and writes their help, in the shell as
 * on the command line.
 *
 * How it fails: rejects with a CommanderError or WordsError for words that make no sense, else with what the node says.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../config/units.ts'
import { answerText, printableLines } from '../show/printable.ts'
import { paint, type Screen } from '../show/screen.ts'
import type { Ask, Options, ShellCommand } from './command.ts'
import { COMMANDS } from './commands.ts'

export interface Surface {
  readonly ask: Ask
  readonly screen: () => Screen
  readonly write: (text: string) => void
  /** Told of each answer whether it tells a failure. */
  readonly onAnswer?: (isFailure: boolean) => void
  /** Ends what repeats. */
  readonly signal?: AbortSignal
}

interface Repeat {
  readonly everyMs: number
  readonly times: number
  /** Each in place of the one before; else one below the other. */
  readonly inPlace: boolean
}

const WATCH_EVERY_MS = 2000
const FOLLOW_EVERY_MS = 1000
/** Clears the terminal and goes to its top. */
const CLEAR = '\x1b[H\x1b[2J\x1b[3J'

/** Adds all commands, and `watch`, below `parent`. `more` adds options that all of them have. */
export function addCommands(
  parent: Command,
  surfaceOf: (options: Options) => Surface,
  more: (command: Command) => void,
) {
  for (const one of COMMANDS) {
    const command = addCommand(parent, one, more)
    if (one.next !== undefined) {
      command.option('--follow', 'goes on until Ctrl-C').option('--times <n>', 'ends after so many looks', parseCount)
    }
    command.action(async (...given: unknown[]) => {
      const [argument, options] = argumentOf(one, given)
      const surface = surfaceOf(options)
      if (options.follow === true) {
        await repeat(one, argument, options, surface, {
          everyMs: FOLLOW_EVERY_MS,
          times: timesOf(options),
          inPlace: false,
        })
      } else await once(one, one.path(argument, options), options, surface)
    })
  }
  addWatch(parent, surfaceOf, more)
}

function addCommand(
  parent: Command,
  { name, summary, example, argument, options = [] }: ShellCommand,
  more: (command: Command) => void,
) {
  const command = parent.command(name).description(summary)
  if (argument !== undefined) command.argument(`<${argument.name}>`)
  for (const { flags, description } of options) command.option(flags, description)
  command.option('--json', 'as JSON')
  more(command)
  return command.addHelpText('after', `\nExample: ${example}`)
}

function argumentOf({ argument }: ShellCommand, given: readonly unknown[]): [string, Options] {
  return argument === undefined ? ['', given[0] as Options] : [given[0] as string, given[1] as Options]
}

function addWatch(parent: Command, surfaceOf: (options: Options) => Surface, more: (command: Command) => void): void {
  const watch = parent
    .command('watch')
    .description('repeats a command in place, until Ctrl-C')
    .addOption(new Option('--every <duration>', 'how often').argParser(parseEvery).default(WATCH_EVERY_MS, '2s'))
    .option('--times <n>', 'ends after so many', parseCount)
    .addHelpText('after', '\nExample: watch --every 1s partitions')
  for (const one of COMMANDS) {
    addCommand(watch, one, more).action(async (...given: unknown[]) => {
      const [argument, options] = argumentOf(one, given)
      const { every, times } = watch.opts<{ every: number; times?: number }>()
      const how = { everyMs: every, times: times ?? Number.POSITIVE_INFINITY, inPlace: true }
      await repeat(one, argument, options, surfaceOf(options), how)
    })
  }
}

async function once(command: ShellCommand, path: string, options: Options, surface: Surface, before = '') {
  const answer = (await surface.ask(path)) as never
  const text = answerText(answer, options.json === true, (shown) => command.render(shown, surface.screen()))
  surface.write(`${before}${text}\n`)
  surface.onAnswer?.(command.isFailure?.(answer) === true)
  return answer
}

async function repeat(command: ShellCommand, argument: string, options: Options, surface: Surface, how: Repeat) {
  const first = command.path(argument, options)
  let path = first
  for (let done = 0; done < how.times && surface.signal?.aborted !== true; done++) {
    if (done > 0 && !(await pause(how.everyMs, surface.signal))) return
    const screen = surface.screen()
    const before = how.inPlace && screen.width !== undefined ? CLEAR : ''
    try {
      const answer = await once(command, path, options, surface, before)
      if (command.next !== undefined && !how.inPlace) path = command.next(first, answer)
    } catch (error) {
      // What never worked will not; what worked may again: a node that is started anew, a rebalance.
      if (done === 0) throw error
      surface.write(`${before}${paint(screen, 'red', printableLines((error as Error).message))}\n`)
    }
  }
}

/** False where it was ended. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false)
    const end = (isOver: boolean): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      resolve(isOver)
    }
    const stop = (): void => end(false)
    const timer = setTimeout(() => end(true), ms)
    signal?.addEventListener('abort', stop)
  })
}

function timesOf({ times }: Options): number {
  return times === undefined ? Number.POSITIVE_INFINITY : Number(times)
}

function parseEvery(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms < 100) throw new InvalidArgumentError('must be a duration of 100ms or more, such as 2s')
  return ms
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('must be 1 or more')
  return count
}
