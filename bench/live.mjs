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
import { sampleSchemaOf, startNode, writeConfig } from './measures.mjs'
import { cpuSeconds, loadAverage } from './program.mjs'
import { Appender, createTopics, PARTITIONS, recordsIn } from './topics.mjs'
import { ENGAGEMENTS, engagementSchema, makeView, randomOf, TYPES, VIEWS, viewSchema } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')

const WITHIN_MS = 3_000
const BOUND_MS = 1_000
const IDLE_AFTER_MS = 1_000
const TICK_MS = 20
/** Of the traffic, not counted: the node's code is still being compiled. */
const WARM_UP_MS = 10_000
const ENGAGEMENTS_PER_VIEW = 0.45
const USERS = 100_000

export async function measureLatency(world, name, eventsPerS, seconds) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const output = `${name}-samples`
  await createTopics(world.built.log, [...topics, output], 'LogAppendTime')
  const time = { outOfOrderness: `${BOUND_MS}ms`, idleAfter: `${IDLE_AFTER_MS}ms`, rememberSealed: '1s' }
  const config = writeConfig(world, name, { topics, output, within: `${WITHIN_MS}ms`, time })
  const node = startNode(world, config)
  await node.started
  const load = loadAverage()
  const cpuBefore = cpuSeconds(node.child.pid)
  const sent = await Promise.race([produce(world, topics, eventsPerS, WARM_UP_MS + seconds * 1000), node.child.failed])
  const busy = (cpuSeconds(node.child.pid) - cpuBefore) / ((Date.now() - sent.fromMs) / 1000)
  await allSealed(world, output, sent.views, node.child.failed)
  await node.child.stop()
  const delays = await delaysOf(world, topics, output, await sampleSchemaOf(world, config), sent.fromMs + WARM_UP_MS)
  return { eventsPerS: sent.events / ((WARM_UP_MS + seconds * 1000) / 1000), views: sent.views, load, busy, ...delays }
}

async function allSealed(world, output, views, failed) {
  for (let left = 60; left > 0 && (await recordsIn(world.built.log, output)) < views; left--) {
    await Promise.race([sleep(500), failed])
  }
}

/** Sends at the rate until the time is over; behind the clock it catches up. */
async function produce({ built }, topics, eventsPerS, forMs) {
  const writer = await built.log.writer()
  const appender = new Appender(built, writer)
  const maker = new LiveEvents()
  const fromMs = Date.now()
  let events = 0
  while (Date.now() - fromMs < forMs) {
    const due = ((Date.now() - fromMs) / 1000) * eventsPerS
    for (; events < due; events++) {
      const { kind, user, value } = maker.next(Date.now())
      appender.add(topics[kind], user, Date.now(), value)
    }
    appender.sendAll()
    if (appender.isFull) await appender.drained()
    await sleep(TICK_MS)
  }
  await appender.drained()
  await writer.close()
  return { fromMs, events, views: maker.views }
}

class LiveEvents {
  constructor() {
    this.random = randomOf(7)
    this.types = [viewSchema, engagementSchema].map((schema) => avro.Type.forSchema(schema))
    this.recent = []
    this.views = 0
  }

  next(nowMs) {
    const { random } = this
    const timeMs = nowMs - Math.floor(random() * BOUND_MS * 0.9)
    const owner = this.recent[Math.floor(random() * this.recent.length)]
    if (owner !== undefined && random() < ENGAGEMENTS_PER_VIEW / (1 + ENGAGEMENTS_PER_VIEW)) {
      const { view_id, user_id, item_id, event_time } = owner
      const type = TYPES[Math.floor(random() * TYPES.length)]
      const value = { view_id, user_id, item_id, event_time: Math.max(timeMs, event_time), type, value: 1 }
      return { kind: ENGAGEMENTS, user: user_id, value: this.types[ENGAGEMENTS].toBuffer(value) }
    }
    const view = makeView(random, ++this.views, Math.floor(USERS * random() ** 2.2), timeMs)
    this.recent[this.views % 10_000] = view
    return { kind: VIEWS, user: view.user_id, value: this.types[VIEWS].toBuffer(view) }
  }
}

async function delaysOf({ built }, topics, output, schema, fromMs) {
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
      if (sample.view_time < fromMs) return
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
