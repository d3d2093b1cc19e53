/**
 * `npm run kafka`: a developer's own broker on 127.0.0.1:9092 (or `--port N`) until Ctrl-C. Its data go with it.
 * Exit codes: 0 stopped, 1 it could not start or ended by itself, 2 wrong use.
 */
import { parseArgs } from 'node:util'
import { startBroker } from './broker.mjs'

const WATCH_EVERY_MS = 1_000

function portOf(args) {
  const { values } = parseArgs({ args, options: { port: { type: 'string', default: '9092' } } })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--port must be 1 to 65535, not ${values.port}`)
  return port
}

function fail(error, code) {
  console.error(`kafka: ${error.message}`)
  process.exit(code)
}

let port
try {
  port = portOf(process.argv.slice(2))
} catch (error) {
  fail(error, 2)
}
const broker = await startBroker({ port }).catch((error) => fail(error, 1))
console.log(`Kafka answers on ${broker.brokers} (pid ${broker.pid}). Ctrl-C stops it and removes its data.`)
const watching = setInterval(() => {
  if (broker.pid === null) fail(new Error('the broker ended by itself'), 1)
}, WATCH_EVERY_MS)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(watching)
    await broker.stop()
    process.exit(0)
  })
}
