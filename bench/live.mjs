/**
 * Latency under live traffic: events made as the clock goes, at a given rate, with small windows; and then silence.
 *
 * Of each sample: the delay from the moment at which the watermark could first pass its deadline to the sample's being
 * durable (LogAppendTime of both). Where events move the clock, that moment is when the later of the two sources had a
 * record with an event time beyond deadline + bound; where they no longer do, it is the one that the idle clock gives:
 * highest event time - bound + silence, of a source silent for at least idleAfter (SEMANTICS.md, section 4).
 */

import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { HOT_USER, LiveEvents } from './liveEvents.mjs'
import { sampleSchemaOf, startNode, writeConfig } from './measures.mjs'
import { cpuSeconds, loadAverage } from './program.mjs'
import { Appender, checkSamples, createTopics, PARTITIONS, recordsIn } from './topics.mjs'
import { ENGAGEMENTS, engagementSchema, VIEWS, viewSchema } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')

const WITHIN_MS = 3_000
const BOUND_MS = 1_000
const IDLE_AFTER_MS = 1_000
const TICK_MS = 20
/** Of the traffic, not counted: the node's code is still being compiled. */
const WARM_UP_MS = 10_000

/**
 * Options: hotShare (of all events, to one user, whose samples are then left out of the delays), memory (of the node),
 * beside (what goes on meanwhile: told the control address, it gives what ends it and tells how it went).
 */
export async function measureLatency(world, name, eventsPerS, seconds, { hotShare = 0, memory, beside } = {}) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const output = `${name}-samples`
  await createTopics(world.built.log, [...topics, output], 'LogAppendTime')
  const time = { outOfOrderness: `${BOUND_MS}ms`, idleAfter: `${IDLE_AFTER_MS}ms`, rememberSealed: '1s' }
  const config = writeConfig(world, name, { topics, output, within: `${WITHIN_MS}ms`, time, memory })
  const node = startNode(world, config)
  const { control } = await node.started
  const load = loadAverage()
  const cpuBefore = cpuSeconds(node.child.pid)
  const events = new LiveEvents({ withinMs: WITHIN_MS, boundMs: BOUND_MS, hotShare })
  const forMs = WARM_UP_MS + seconds * 1000
  const endBeside = beside?.(control)
  const endMs = Date.now() + forMs
  const isOver = () => Date.now() >= endMs
  const sent = await Promise.race([produce(world, topics, events, eventsPerS, isOver), node.child.failed])
  const told = await endBeside?.()
  const busy = (cpuSeconds(node.child.pid) - cpuBefore) / (forMs / 1000)
  await allSealed(world, output, events.views, node.child.failed)
  const status = await (await fetch(`${control}/status`)).json()
  await node.child.stop()
  const schema = await sampleSchemaOf(world, config)
  const check = await checkSamples(world.built, output, schema, events.answer)
  const left = hotShare > 0 ? HOT_USER : -1
  const delays = await delaysOf(world, topics, output, schema, { fromMs: sent.fromMs + WARM_UP_MS, left })
  return { eventsPerS: sent.count / (forMs / 1000), views: events.views, load, busy, check, status, told, ...delays }
}

export async function allSealed(world, output, views, failed) {
  for (let left = 60; left > 0 && (await recordsIn(world.built.log, output)) < views; left--) {
    await Promise.race([sleep(500), failed])
  }
}

/** Sends at the rate until it is over; behind the clock it catches up. */
export async function produce({ built }, topics, maker, eventsPerS, isOver) {
  const writer = await built.log.writer()
  const appender = new Appender(built, writer)
  const fromMs = Date.now()
  let count = 0
  while (!isOver()) {
    const due = ((Date.now() - fromMs) / 1000) * eventsPerS
    for (; count < due; count++) {
      const { kind, user, value } = maker.next(Date.now())
      appender.add(topics[kind], user, Date.now(), value)
    }
    appender.sendAll()
    if (appender.isFull) await appender.drained()
    await sleep(TICK_MS)
  }
  await appender.drained()
  await writer.close()
  return { fromMs, count }
}

async function delaysOf({ built }, topics, output, schema, { fromMs, left }) {
  const sampleType = avro.Type.forSchema(schema)
  const moving = []
  const idle = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const clocks = [
      await clockOf(built, topics[VIEWS], partition, avro.Type.forSchema(viewSchema)),
      await clockOf(built, topics[ENGAGEMENTS], partition, avro.Type.forSchema(engagementSchema)),
    ]
    await eachRecord(built, output, partition, sampleType, (sample, appendMs) => {
      const deadlineMs = sample.view_time + WITHIN_MS
      const moments = clocks.map((clock) => passes(clock, deadlineMs + BOUND_MS))
      const atMs = Math.max(...moments.map((moment) => moment.atMs))
      if (sample.view_time < fromMs || sample.user_id === left) return
      const isIdle = moments.some((moment) => moment.isIdle)
      const target = isIdle ? idle : moving
      target.push(appendMs - atMs)
    })
  }
  return { moving: distribution(moving), idle: distribution(idle) }
}

/** Where a source's highest event time rises: the times, and when their records were appended. */
async function clockOf(built, topic, partition, type) {
  const clock = { times: [], appended: [], lastAppendMs: 0 }
  let highest = Number.NEGATIVE_INFINITY
  await eachRecord(built, topic, partition, type, ({ event_time }, appendMs) => {
    clock.lastAppendMs = appendMs
    if (event_time <= highest) return
    highest = event_time
    clock.times.push(event_time)
    clock.appended.push(appendMs)
  })
  return clock
}

/** When the source's clock is first beyond the time: moved by a record, or by silence after the last. */
function passes({ times, appended, lastAppendMs }, timeMs) {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle] > timeMs) high = middle
    else low = middle + 1
  }
  if (low < times.length) return { atMs: appended[low], isIdle: false }
  const silenceMs = Math.max(IDLE_AFTER_MS, timeMs - times[times.length - 1])
  return { atMs: lastAppendMs + silenceMs, isIdle: true }
}

async function eachRecord(built, topic, partition, type, visit) {
  const end = (await built.log.ends([topic])).find((one) => one.partition === partition)
  if (end.high === end.low) return
  for await (const chunk of built.log.readRange(topic, partition, end.low, end.high)) {
    for (let i = 0; i < chunk.count; i++) {
      const value = chunk.bytes.subarray(chunk.valueAt[i], chunk.valueAt[i] + chunk.valueLength[i])
      visit(type.fromBuffer(value), chunk.stampMs[i])
    }
  }
}

export function distribution(delays) {
  delays.sort((a, b) => a - b)
  const at = (share) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? null
  return { count: delays.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: delays.at(-1) ?? null }
}
