/**
 * `npm run chaos -- --kills 200 --seed S`: a cluster on a real broker under live traffic and faults, compared with the
 * oracle (test/chaos). Told line by line; the same seed brings the same faults.
 *
 *   --kills N           faults that hit something (100)
 *   --seed S            a number (drawn, and printed)
 *   --delivery MODE     at-least-once or exactly-once
 *   --broker-down TIME  how long the broker is away when it is killed, in seconds (30)
 *
 * Exit codes: 0 all as the oracle has it, 1 not so, 2 wrong use.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DELIVERIES = ['at-least-once', 'exactly-once']
const OPTIONS = {
  kills: { type: 'string', default: '100' },
  seed: { type: 'string', default: String(randomInt(1_000_000)) },
  delivery: { type: 'string', default: DELIVERIES[0] },
  'broker-down': { type: 'string', default: '30' },
}

const given = read()
const run = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url)),
    ...['run', '--config', 'vitest.chaos.config.ts', '--disable-console-intercept', '--reporter=dot'],
  ],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, POSTVIEW_CHAOS: JSON.stringify(given) } },
)
run.once('exit', (code) => process.exit(code ?? 1))

function read() {
  try {
    const { values } = parseArgs({ options: OPTIONS })
    const { delivery } = values
    if (!DELIVERIES.includes(delivery)) throw new Error(`--delivery ${delivery}: ${DELIVERIES.join(' or ')}`)
    return {
      faults: whole('kills', values.kills, 1),
      seed: whole('seed', values.seed, 0),
      delivery,
      brokerDownMs: whole('broker-down', values['broker-down'], 1) * 1_000,
    }
  } catch (error) {
    console.error(`chaos: ${error.message}`)
    process.exit(2)
  }
}

function whole(name, text, least) {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`--${name} ${text}: a whole number from ${least}`)
  return value
}
