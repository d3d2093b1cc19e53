/** The commands, each in a file of its own, loaded when it is asked for. A new command is added here. */
import { Command } from 'commander'
import { readVersion } from '../cluster/version.ts'

type Add = (program: Command) => void

/** In the order in which help names them. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  cluster: async () => (await import('./cluster.ts')).addCluster,
  repl: async () => (await import('./repl.ts')).addRepl,
  inspect: async () => (await import('./inspect.ts')).addInspect,
  explain: async () => (await import('./explain.ts')).addExplain,
  ledger: async () => (await import('./ledger.ts')).addLedger,
  delays: async () => (await import('./delays.ts')).addDelays,
  check: async () => (await import('./check.ts')).addCheck,
  schema: async () => (await import('./schema.ts')).addSchema,
  generate: async () => (await import('./generate.ts')).addGenerate,
  join: async () => (await import('./join.ts')).addJoin,
  repartition: async () => (await import('./repartition.ts')).addRepartition,
  demo: async () => (await import('./demo.ts')).addDemo,
}

/** With the command that `word` names, or with all where it names none: for help, and for what is not known. */
export async function makeProgram(word: string | undefined): Promise<Command> {
  const program = new Command('postview')
    .description('Joins views with engagements and emits one labelled training sample per view, in real time')
    .version(readVersion())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'postview: ')) })
  const asked = word !== undefined && Object.hasOwn(COMMANDS, word) ? [COMMANDS[word]] : Object.values(COMMANDS)
  for (const load of asked) {
    const add = await load()
    add(program)
  }
  return program
}
