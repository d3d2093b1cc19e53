/** `postview delays`: how long engagements take, per label, and what each candidate window would miss and cost. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/units.ts'
import { type DelaysReport, delaysReport } from '../delays/report.ts'
import type { DelaysAnswer } from '../inspect/delays.ts'
import { renderDelays } from '../show/delays.ts'
import { askNodes, nobodyLine, type Where } from './ask.ts'

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
      process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : renderDelays(report)}\n`)
    })
}

export async function readDelays(where: Where, windowsMs?: readonly number[]): Promise<DelaysReport> {
  const asked = await askNodes<DelaysAnswer>('/delays', where)
  if (asked.answers.length === 0) throw new Error(nobodyLine(asked))
  return delaysReport(
    asked.answers.map((answer) => answer.snapshot),
    windowsMs,
  )
}

function parseWindows(text: string): readonly number[] {
  const windows = text.split(',').map((part) => parseDuration(part.trim()))
  const isGood = (ms: number | undefined): ms is number => ms !== undefined && ms > 0
  if (!windows.every(isGood)) throw new InvalidArgumentError('must be durations, such as 5m,30m,2h')
  return windows.sort((a, b) => a - b)
}
