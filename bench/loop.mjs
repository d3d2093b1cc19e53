/**
 * One run of a node's own work, in this process: a recorded trace goes through the node of a built program, with its
 * journal and commits, to a log that keeps what is appended (recordedLog.mjs). No broker and no sockets.
 *
 *   node [flags] bench/loop.mjs PROGRAM TRACE CONFIG
 *
 * Prints one line of JSON: CPU seconds (all threads) from the first fetch to the last sample, by thread, collections,
 * peak memory, and whether the samples' digest is the known one.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuByThread, memoryOf } from './program.mjs'
import { readTrace } from './recorded.mjs'
import { RecordedLog } from './recordedLog.mjs'
import { digestOf } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')

const [program, traceFolder, configFolder] = process.argv.slice(2)
const part = (path) => import(`${program}/dist/${path}`)
const { loadConfig } = await part('config/load.js')
const { openSourceReader } = await part('codec/source.js')
const { Node } = await part('cluster/node.js')
const { openJournal } = await part('cluster/open.js')
const { readRecordBatches } = await part('log/recordBatch/reader.js')
const { sampleSchema } = await part('codec/sample.js')

const trace = readTrace(traceFolder)
const loaded = loadConfig(configFolder, process.env)
const dataDir = mkdtempSync(join(tmpdir(), 'postview-loop-'))
const config = { ...loaded, node: { ...loaded.node, dataDir } }
const { sources, sinks, limits } = config.pipeline
const quiet = {
  info() {},
  warn: (fields, text) => process.stderr.write(`${text} ${JSON.stringify(fields)}\n`),
  error() {},
}

let done
const complete = new Promise((resolve) => {
  done = resolve
})
const log = new RecordedLog(trace, {
  topics: sources.map((source) => source.topic),
  output: sinks[0].topic,
  readRecordBatches,
  onSamples: (count) => count >= trace.answer.views && done(),
})
const readers = await Promise.all(sources.map((source) => openSourceReader(source, limits)))
const journal = await openJournal(config, quiet)
const node = new Node({ config, id: 'loop', log, readers, logger: quiet, journal })
node.failed.catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})

const collections = { scavenges: 0, majors: 0, ms: 0 }
new PerformanceObserver((list) => {
  for (const { detail, duration } of list.getEntries()) {
    if (detail.kind === 1) collections.scavenges++
    else collections.majors++
    collections.ms += duration
  }
}).observe({ entryTypes: ['gc'] })
const threadsBefore = cpuByThread(process.pid)
const before = process.cpuUsage()
const started = process.hrtime.bigint()
await node.start()
await complete
const { user, system } = process.cpuUsage(before)
const threads = cpuByThread(process.pid)
for (const name of Object.keys(threads)) threads[name] -= threadsBefore[name] ?? 0
const seconds = Number(process.hrtime.bigint() - started) / 1e9
await sleep(0)
const peakBytes = memoryOf(process.pid, 'VmHWM') - trace.bytes.length
const { events } = trace.answer
const result = {
  events,
  cpuSPerMillion: (user + system) / events,
  userSPerMillion: user / events,
  seconds,
  threads,
  collections,
  fetches: log.fetches,
  peakBytes,
  stateBytes: node.partitions.reduce((sum, { state }) => sum + state.arena.reservedBytes, 0),
}
await node.stop()
await journal.close()
rmSync(dataDir, { recursive: true, force: true })
const source = JSON.parse(JSON.stringify(sources[0].format.schema ?? null))
process.stdout.write(`${JSON.stringify({ ...result, check: checkAppended() })}\n`)
process.exit(0)

function checkAppended() {
  const type = avro.Type.forSchema(sampleSchema(config.pipeline, source))
  const { views, digest } = trace.answer
  const seen = new Uint8Array(views + 1)
  const found = { samples: 0, duplicates: 0, digest: 0 }
  for (const bytes of log.appended) {
    const chunk = readRecordBatches(bytes, {
      topic: '',
      partition: 0,
      fromOffset: 0,
      highWatermark: -1,
      maxInflatedBytes: 1 << 26,
    })
    for (let i = 0; i < chunk.count; i++) {
      const sample = type.fromBuffer(chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i]))
      const number = Number(sample.sample_id)
      if (number < 1 || number > views) continue
      if (seen[number]++ > 0) found.duplicates++
      else {
        const { click, like, share, watch_ms } = sample.labels
        found.samples++
        found.digest += digestOf(number, click, like, share, watch_ms)
      }
    }
  }
  return { ...found, isRight: found.samples === views && found.digest === digest }
}
