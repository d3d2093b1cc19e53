/**
 * A trace on disk: the workload's record batches as a broker would hold them, and its answer. Made once, read by any
 * number of runs, so that two programs are measured on the same bytes.
 *
 *   trace.json   the answer, and per topic partition where its batches lie: [at, length, records] each
 *   trace.bin    the batches with their base offsets, those of a topic partition one after the other
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { userOfEach } from './topics.mjs'
import { ENGAGEMENTS, VIEWS, Workload } from './workload.mjs'

const PARTITIONS = 4
/** As a producer with some linger sends them. */
const BATCH_RECORDS = 1000

/** Makes the trace in the folder, unless it is there already. */
export async function record(folder, program, options) {
  const asked = JSON.stringify(options)
  const index = join(folder, 'trace.json')
  if (existsSync(index) && JSON.parse(readFileSync(index, 'utf8')).asked === asked) return
  mkdirSync(folder, { recursive: true })
  const { RecordBatchBuilder } = await import(`${program}/dist/log/recordBatch/builder.js`)
  const { murmur2, partitionOf } = await import(`${program}/dist/join/hash.js`)
  const places = new Map()
  const placeOf = (user) => {
    let place = places.get(user)
    if (place === undefined) {
      const key = Buffer.from(String(user))
      place = { key, partition: partitionOf(murmur2(key, 0, key.length), PARTITIONS) }
      places.set(user, place)
    }
    return place
  }
  const lanes = [VIEWS, ENGAGEMENTS].flatMap((kind) =>
    Array.from({ length: PARTITIONS }, (_, partition) => ({
      kind,
      partition,
      builder: new RecordBatchBuilder({ compression: 'lz4' }),
      parts: [],
      counts: [],
      end: 0,
    })),
  )
  const cut = (lane) => {
    const { bytes, count } = lane.builder.finish()
    bytes.writeBigInt64BE(BigInt(lane.end), 0) // the base offset lies outside the checksum
    lane.end += count
    lane.counts.push(count)
    lane.parts.push(bytes)
  }
  const workload = new Workload({ ...options, closingUsers: userOfEach(placeOf) })
  for (const { kind, user, timeMs, value } of workload.events()) {
    const { key, partition } = placeOf(user)
    const lane = lanes[kind * PARTITIONS + partition]
    lane.builder.add(timeMs, key, 0, key.length, value, 0, value.length)
    if (lane.builder.count >= BATCH_RECORDS) cut(lane)
  }
  for (const lane of lanes) if (lane.builder.count > 0) cut(lane)
  const { answer } = workload
  let at = 0
  const placed = lanes.map(({ kind, partition, parts, counts, end }) => {
    const batches = parts.map(({ length }, k) => [(at += length) - length, length, counts[k]])
    return { kind, partition, batches, end }
  })
  writeFileSync(join(folder, 'trace.bin'), Buffer.concat(lanes.flatMap(({ parts }) => parts)))
  writeFileSync(
    index,
    JSON.stringify({
      asked,
      options,
      answer: { ...answer, events: answer.records[VIEWS] + answer.records[ENGAGEMENTS] },
      lanes: placed,
    }),
  )
}

export function readTrace(folder) {
  const trace = JSON.parse(readFileSync(join(folder, 'trace.json'), 'utf8'))
  return { ...trace, partitions: PARTITIONS, bytes: readFileSync(join(folder, 'trace.bin')) }
}
