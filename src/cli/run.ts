/**
 * Runs the command that the process was started with.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong use (a bad flag, a bad configuration, something that is not built), each with
 * one clear line on stderr. That nobody reads what is written is neither (stdout.ts).
 */
import { CommanderError } from 'commander'
import { AdmissionError } from '../cluster/admission.ts'
import { SetupError } from '../cluster/finding.ts'
import { SchemaError } from '../codec/error.ts'
import { ConfigError } from '../config/problem.ts'
import { WordsError } from '../shell/command.ts'
import { printableLines } from '../show/printable.ts'
import { makeProgram } from './program.ts'
import { outliveReaders, ReaderLeft } from './stdout.ts'
import { UsageError } from './usage.ts'

const WRONG_USE = [AdmissionError, ConfigError, SchemaError, SetupError, UsageError, WordsError]

outliveReaders()
try {
  const program = await makeProgram(process.argv[2])
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = exitCodeOf(error)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ReaderLeft) return 0
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`postview: ${printableLines(message)}\n`)
  return WRONG_USE.some((kind) => error instanceof kind) ? 2 : 1
}
