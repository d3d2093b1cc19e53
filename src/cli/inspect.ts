/**
 * `postview inspect <command>`: each command of the shell, once. Exit code 1 where the answer tells a failure: a sample that
 * is not found, a ledger that does not balance.
 */
import type { Command } from 'commander'
import type { Options } from '../shell/command.ts'
import { addCommands, type Surface } from '../shell/run.ts'
import { screenOf } from '../show/screen.ts'
import { askAny, type Where } from './ask.ts'
import { readerLeft } from './stdout.ts'

/** An explanation that has to search takes its time. */
export const INSIDE_LIMIT_MS = 120_000

export function addInspect(program: Command): void {
  const inspect = program.command('inspect').description('looks inside: each command of the shell, once')
  addCommands(inspect, surfaceOf, (command) => {
    command
      .option('--config <folder>', 'configuration folder: nodes are looked for in its dataDir', 'config')
      .option('--url <url>', 'ask this node, wherever its files are')
  })
}

function surfaceOf(options: Options): Surface {
  const where = options as unknown as Where
  return {
    ask: (path) => askAny(path, where, INSIDE_LIMIT_MS),
    screen: () => screenOf(process.stdout, process.env),
    write: (text) => void process.stdout.write(text),
    signal: readerLeft,
    onAnswer: (isFailure) => {
      process.exitCode = isFailure ? 1 : 0
    },
  }
}
