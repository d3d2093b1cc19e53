/**
 * The actor inspection shell: a line editor (node:repl) around the commands of the shell.
 *
 * Invariants: read-only, and nothing that is typed is run as code: a line is a command's words. One command at a time, in
 * the order of typing, also where lines are piped in. Ctrl-C ends what repeats, not the shell.
 *
 * How it fails: a command that fails says so in one line and the shell goes on; `run` rejects never.
 */
import { type REPLServer, start } from 'node:repl'
import type { Readable, Writable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import { printableLines } from '../show/printable.ts'
import { paint, screenOf } from '../show/screen.ts'
import type { Ask } from './command.ts'
import { COMMANDS } from './commands.ts'
import { complete } from './complete.ts'
import { Knowledge } from './known.ts'
import { addCommands } from './run.ts'
import { wordsOf } from './words.ts'

export interface ReplOptions {
  readonly ask: Ask
  readonly input: Readable & { isTTY?: boolean }
  readonly output: Writable & { isTTY?: boolean; columns?: number }
  readonly env: NodeJS.ProcessEnv
  /** Where history is kept between runs; undefined: nowhere. */
  readonly historyFile?: string
  readonly nowMs: () => number
  /** Ends the shell: nobody reads what it writes. */
  readonly signal?: AbortSignal
}

const PROMPT = 'postview> '
/** node:repl's own dot commands that read or write files, or run code: none of them belongs here. */
const FOREIGN = ['break', 'clear', 'editor', 'load', 'save']

/** Resolves when the shell was left. */
export function runRepl(options: ReplOptions): Promise<void> {
  return new Shell(options).run()
}

class Shell {
  private readonly options: ReplOptions
  private readonly knowledge: Knowledge
  private last: Promise<void> = Promise.resolve()
  private running: AbortController | undefined
  private isLeft = false
  private server!: REPLServer

  constructor(options: ReplOptions) {
    this.options = options
    this.knowledge = new Knowledge(options.ask, options.nowMs)
  }

  async run(): Promise<void> {
    const { input, output, historyFile, signal } = this.options
    const terminal = input.isTTY === true && output.isTTY === true
    if (terminal) this.write('Looks inside a running cluster. Type help, Tab to complete, Ctrl-D to leave.\n')
    this.server = start({
      prompt: terminal ? PROMPT : '',
      input,
      output,
      terminal,
      preview: false,
      ignoreUndefined: true,
      eval: (line, _context, _file, done) => {
        this.enqueue(line).then(() => done(null, undefined))
      },
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => this.complete(line, done),
    })
    for (const name of FOREIGN) delete (this.server.commands as Record<string, unknown>)[name]
    if (terminal && historyFile !== undefined) this.keepHistory(historyFile)
    if (terminal) void this.knowledge.refresh()
    // node:repl would take a second Ctrl-C for leaving: here it ends what repeats, or gives up the line in hand.
    this.server.removeAllListeners('SIGINT')
    this.server.on('SIGINT', () => {
      if (this.running !== undefined) return this.running.abort()
      this.write('\n')
      this.server.write(null, { ctrl: true, name: 'u' })
      this.server.displayPrompt()
    })
    signal?.addEventListener('abort', () => {
      this.running?.abort()
      this.leave()
    })
    await new Promise<void>((resolve) => this.server.on('exit', resolve))
    // Lines that were piped in are still under way when their end has come.
    await this.last
  }

  private keepHistory(file: string): void {
    this.server.setupHistory(file, (error) => {
      if (error !== null) this.write(`history is not kept: ${error.message}\n`)
    })
  }

  private complete(line: string, done: (error: null, found: [string[], string]) => void): void {
    this.knowledge.refresh().then(() => done(null, complete(line, COMMANDS, this.knowledge.known)))
  }

  private enqueue(line: string): Promise<void> {
    this.last = this.last.then(() => this.runLine(line))
    return this.last
  }

  private async runLine(line: string): Promise<void> {
    this.running = new AbortController()
    try {
      const words = wordsOf(line)
      if (words.length === 0 || this.isLeft) return
      if (words[0] === 'exit' || words[0] === 'quit') {
        this.leave()
        return
      }
      await this.program(this.running.signal).parseAsync(words, { from: 'user' })
    } catch (error) {
      this.tell(error as Error)
    } finally {
      this.running = undefined
    }
  }

  private leave(): void {
    this.isLeft = true
    this.server.close()
  }

  /** Made anew for each line: commander keeps the options of the line before. */
  private program(signal: AbortSignal): Command {
    const { ask, output, env } = this.options
    const program = new Command('')
      .exitOverride()
      .usage('COMMAND')
      // As it is typed here: there is no program before it.
      .configureHelp({
        commandUsage: (command) => `${command.parent === null ? '' : command.name()} ${command.usage()}`.trim(),
      })
      .configureOutput({
        writeOut: (text) => this.write(text),
        // It is told with the error that follows.
        writeErr: () => {},
      })
      .helpCommand('help [command]', 'what a command does, with an example')
      .addHelpText('after', '\nexit, or Ctrl-D, leaves. Each command is also: postview inspect COMMAND [--json]')
    const surface = { ask, signal, screen: () => screenOf(output, env), write: (text: string) => this.write(text) }
    addCommands(
      program,
      () => surface,
      (command) => command.exitOverride(),
    )
    return program
  }

  private tell(error: Error): void {
    if (error instanceof CommanderError && error.exitCode === 0) return
    const isHelp = error instanceof CommanderError && error.code === 'commander.help'
    if (isHelp) return
    const text = printableLines(error.message.replace(/^error: /, ''))
    this.write(`${paint(screenOf(this.options.output, this.options.env), 'red', text)}\n`)
  }

  private write(text: string): void {
    this.options.output.write(text)
  }
}
