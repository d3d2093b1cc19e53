/** The commands, each in a file of its own. A new command is added here. */
import { Command } from 'commander'
import { readVersion } from '../cluster/version.ts'
import { addCheck } from './check.ts'
import { addCluster } from './cluster.ts'
import { addDelays } from './delays.ts'
import { addDemo } from './demo.ts'
import { addExplain } from './explain.ts'
import { addGenerate } from './generate.ts'
import { addInspect } from './inspect.ts'
import { addJoin } from './join.ts'
import { addLedger } from './ledger.ts'
import { addRepartition } from './repartition.ts'
import { addRepl } from './repl.ts'
import { addSchema } from './schema.ts'

export function makeProgram(): Command {
  const program = new Command('postview')
    .description('Joins views with engagements and emits one labelled training sample per view, in real time')
    .version(readVersion())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'postview: ')) })
  addCluster(program)
  addRepl(program)
  addInspect(program)
  addExplain(program)
  addLedger(program)
  addDelays(program)
  addCheck(program)
  addSchema(program)
  addGenerate(program)
  addJoin(program)
  addRepartition(program)
  addDemo(program)
  return program
}
