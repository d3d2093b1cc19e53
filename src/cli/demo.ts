/** `postview demo`: all of it in one process on the embedded log. Exit code 0 only if every sample is right. */
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { parseCount } from '../config/units.ts'
import { isRight, reportDemo } from '../demo/report.ts'
import { type Progress, runDemo } from '../demo/run.ts'
import { formatCount } from '../show/format.ts'
import { screenOf } from '../show/screen.ts'
import { readerLeft } from './stdout.ts'
import { UsageError } from './usage.ts'

const EVERY_MS = 500

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('generated traffic with a known answer through a node on the embedded log, in under a minute')
    .addOption(new Option('--views <n>', 'how many views').default(50_000).argParser(views))
    .action(async (options: { views: number }) => {
      process.stdout.write(
        `Postview joins ${formatCount(options.views)} views with their engagements, on an embedded log.\n`,
      )
      const show = live()
      const configFolder = fileURLToPath(new URL('../../config', import.meta.url))
      const result = await runDemo({ configFolder, views: options.views, onProgress: show, signal: readerLeft })
      process.stdout.write(`\n\n${reportDemo(result, screenOf(process.stdout, process.env))}\n`)
      if (!isRight(result)) process.exitCode = 1
    })
}

/** In place on a terminal, else a line now and then. */
function live(): (progress: Progress) => void {
  let shownMs = Number.NEGATIVE_INFINITY
  return ({ events, samples, pending }) => {
    const nowMs = performance.now()
    if (nowMs - shownMs < EVERY_MS) return
    shownMs = nowMs
    const line = `${formatCount(events)} events in, ${formatCount(samples)} samples out, ${formatCount(pending)} views pending`
    process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${line}` : `${line}\n`)
  }
}

function views(text: string): number {
  const count = parseCount(text)
  if (count === undefined || count < 1000) throw new UsageError(`--views ${text}: must be a whole number from 1000`)
  return count
}
