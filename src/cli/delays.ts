/** `postview delays`: how long engagements take, per label, and what each candidate window would miss and cost. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/units.ts'
import { delaysReport } from '../delays/report.ts'
import type { DelaysAnswer } from '../inspect/delays.ts'
import { renderDelays, type ShownDelays } from '../show/delays.ts'
import { answerText } from '../show/printable.ts'
import { screenOf } from '../show/screen.ts'
import { askGroup, type Where } from './ask.ts'

export function addDelays(program: Command): void {
  program
    .command('delays')
    .description('how long engagements take, per label, and what each candidate window would miss')
    .option('--config <folder>', 'configuration folder: nodes are looked for in its dataDir', 'config')
    .option('--url <url>', 'ask this node')
    .option('--windows <list>', 'candidate windows, such as 5m,30m,2h', parseWindows)
    .option('--json', 'as JSON')
    .action(async (options: Where & { json?: boolean; windows?: readonly number[] }) => {
      const report = await readDelays(options, options.windows)
      const screen = screenOf(process.stdout, process.env)
      process.stdout.write(`${answerText(report, options.json, (shown) => renderDelays(shown, screen))}\n`)
    })
}

/** Of the nodes of this data folder (or of `--url`), and of whoever else the group knows of. */
export async function readDelays(where: Where, windowsMs?: readonly number[]): Promise<ShownDelays> {
  const { answers, silent } = await askGroup<DelaysAnswer>('/delays', where, ({ snapshot }) => snapshot.node)
  const snapshots = answers.map(({ snapshot }) => snapshot)
  return { ...delaysReport(snapshots, windowsMs), silent }
}

function parseWindows(text: string): readonly number[] {
  const windows = text.split(',').map((part) => parseDuration(part.trim()))
  const isGood = (ms: number | undefined): ms is number => ms !== undefined && ms > 0
  if (!windows.every(isGood)) throw new InvalidArgumentError('must be durations, such as 5m,30m,2h')
  return windows.sort((a, b) => a - b)
}
