/**
 * Asks a control server a given number of times a second, over many connections, until it is told to stop (SIGTERM); then
 * says on stdout how it was answered. A program of its own, so that it runs beside what is measured.
 *
 *   node bench/flood.mjs URL PER_SECOND
 */
import { Agent, get } from 'node:http'

const [url, perS] = [process.argv[2], Number(process.argv[3])]
const PATHS = ['/status', '/metrics', '/ledger', '/health', '/overview', '/nothing']
const WAITING_MOST = 2000
const agent = new Agent({ keepAlive: true, maxSockets: 100 })
const told = { asked: 0, unsent: 0, byStatus: {}, failed: 0 }
let waiting = 0

function ask() {
  if (waiting >= WAITING_MOST) return void told.unsent++
  waiting++
  const done = (what) => {
    waiting--
    if (typeof what === 'number') told.byStatus[what] = (told.byStatus[what] ?? 0) + 1
    else told.failed++
  }
  get(new URL(PATHS[told.asked++ % PATHS.length], url), { agent }, (answer) => {
    answer.resume()
    answer.once('end', () => done(answer.statusCode))
  }).once('error', done)
}

const fromMs = performance.now()
setInterval(() => {
  const due = ((performance.now() - fromMs) / 1000) * perS
  while (told.asked + told.unsent < due) ask()
}, 5)

process.once('SIGTERM', () => {
  const seconds = (performance.now() - fromMs) / 1000
  process.stdout.write(`${JSON.stringify({ ...told, perS: Math.round(told.asked / seconds) })}\n`, () =>
    process.exit(0),
  )
})
