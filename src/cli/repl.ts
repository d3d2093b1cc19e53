/** `postview repl`: the actor inspection shell. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { runRepl } from '../shell/repl.ts'
import { askAny, type Where } from './ask.ts'
import { INSIDE_LIMIT_MS } from './inspect.ts'
import { readerLeft } from './stdout.ts'

const HISTORY_FILE = '.postview_history'

export function addRepl(program: Command): void {
  program
    .command('repl')
    .description('the actor inspection shell: looks inside a running cluster, and changes nothing')
    .option('--config <folder>', 'configuration folder: nodes are looked for in its dataDir', 'config')
    .option('--url <url>', 'ask this node, wherever its files are')
    .addHelpText('after', `\nHistory is kept in ~/${HISTORY_FILE}, or where POSTVIEW_HISTORY says; empty: not at all.`)
    .action(async (where: Where) => {
      const history = process.env.POSTVIEW_HISTORY ?? join(homedir(), HISTORY_FILE)
      await runRepl({
        ask: (path) => askAny(path, where, INSIDE_LIMIT_MS),
        input: process.stdin,
        output: process.stdout,
        env: process.env,
        historyFile: history === '' ? undefined : history,
        nowMs: () => performance.now(),
        signal: readerLeft,
      })
    })
}
