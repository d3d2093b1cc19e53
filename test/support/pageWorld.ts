/** Configurations, events and answers for the page's tests. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { newTopics } from './newTopics.ts'
import { plainKafka } from './plainClient.ts'

/** An id as nobody should have one. */
export const HOSTILE = `<img src=x onerror="document.title='owned'">"'&#x27;\u202e`

export interface WorldOptions {
  readonly name: string
  readonly brokers?: string
  readonly node?: Record<string, unknown>
  readonly time?: Record<string, unknown>
  /** Further keys of the pipeline. */
  readonly pipeline?: Record<string, unknown>
  /** Of engagements, beside those that all events have. */
  readonly fields?: Record<string, string>
}

/** A pipeline of JSON events with windows of a second. */
export async function writeWorld(
  folder: string,
  { name, brokers, node = {}, time = {}, pipeline: further = {}, fields: more = {} }: WorldOptions,
): Promise<string> {
  const fields = { viewId: 'view_id', userId: 'user_id', itemId: 'item_id', time: 'event_time' }
  const pipeline = {
    name,
    sources: {
      views: { topic: `${name}-views`, format: { type: 'json' }, fields },
      engagements: [
        {
          topic: `${name}-engagements`,
          format: { type: 'json' },
          fields: { ...fields, type: 'type', value: 'value', ...more },
        },
      ],
    },
    labels: { click: { on: 'click', within: '1s' }, watch_ms: { on: 'watch', within: '1s', fold: 'max' } },
    time: { outOfOrderness: '200ms', allowedLateness: '100ms', idleAfter: '500ms', rememberSealed: '10s', ...time },
    createTopics: true,
    sinks: [{ type: 'kafka', topic: `${name}-samples`, format: 'json' }],
    sideOutputs: { late: `${name}-late`, orphans: `${name}-orphans`, deadLetters: `${name}-dead` },
    ...further,
  }
  const kafka = brokers === undefined ? {} : { kafka: { brokers: [brokers], group: name, sessionTimeout: '10s' } }
  const file = { ...kafka, dataDir: join(folder, 'data'), embedded: { partitions: 4 }, control: { port: 0 }, ...node }
  const config = join(folder, 'config')
  await mkdir(config, { recursive: true })
  await writeFile(join(config, 'pipeline.yaml'), stringify(pipeline))
  await writeFile(join(config, 'node.yaml'), stringify(file))
  return config
}

/** The topics of its events, where several nodes start at once. */
export async function makeTopics(brokers: string, name: string, partitions = 4): Promise<void> {
  const admin = plainKafka(brokers).admin()
  await admin.connect()
  const topics = ['views', 'engagements'].map((topic) => ({ topic: `${name}-${topic}`, numPartitions: partitions }))
  await newTopics(admin, topics)
  await admin.disconnect()
}

export interface Event {
  readonly view_id: string
  readonly user_id: string
  readonly item_id: string
  readonly event_time: number
  readonly type?: string
  readonly value?: number
  /** Of any length, where a test wants large events. */
  readonly surface?: string
}

export async function post(url: string, topic: string, events: readonly Event[], token?: string): Promise<void> {
  const answer = await fetch(`${url}/topics/${topic}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-ndjson',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: events.map((event) => JSON.stringify(event)).join('\n'),
  })
  if (!answer.ok) throw new Error(`${topic}: ${answer.status} ${await answer.text()}`)
}

/** One view with an engagement of each outcome, and hostile text wherever a producer may put text. */
export function everyOutcome(): Explanation {
  const timeMs = 1_700_000_000_000
  const at = (topic: string, offset: number) => ({ topic, partition: 1, offset })
  const outcomes = [
    ['counted', 400],
    ['counted', 900],
    ['duplicate', 400],
    ['waiting', 950],
    ['otherView', 700],
    ['outside', 1200],
    ['unused', 300],
    ['late', 800],
    ['orphan', -300],
    ['quarantined', 100],
  ] as const
  const label = (name: string, on: string, counted: readonly number[]) => ({
    name,
    on,
    fold: 'any',
    withinMs: 1000,
    fromMs: timeMs,
    toMs: timeMs + 1000,
    value: counted.length > 0 ? 1 : 0,
    delayMs: counted.length > 0 ? 400 : null,
    counted,
  })
  return {
    sampleId: HOSTILE,
    status: 'sealed',
    summary: `click is 1, says ${HOSTILE}.`,
    view: {
      ...at('views', 7),
      source: null,
      userId: HOSTILE,
      itemId: HOSTILE,
      timeMs,
      stampMs: timeMs + 5,
      lateView: false,
      deadlineMs: timeMs + 1100,
      copies: [],
      record: { text: HOSTILE },
    },
    labels: [label('click', 'click', [0, 1]), label('watch_ms', 'watch', [])],
    engagements: outcomes.map(([outcome, delayMs], i) => ({
      ...at('engagements', 100 + i),
      source: null,
      timeMs: timeMs + delayMs,
      stampMs: timeMs + delayMs,
      type: outcome === 'unused' ? HOSTILE : 'click',
      value: null,
      viewId: HOSTILE,
      itemId: HOSTILE,
      engagementId: null,
      delayMs,
      outcome,
      bucket: null,
      reason: `${outcome}, says ${HOSTILE}`,
      labels: [],
      duplicateOf: null,
      owner: outcome === 'otherView' ? { ...at('views', 9), sampleId: `other ${HOSTILE}`, timeMs } : null,
      decidedAtMs: null,
    })),
    engagementsLeftOut: 0,
    seal: { watermarkMs: timeMs + 1101, by: 'record', record: { ...at('views', 12), timeMs, stampMs: timeMs } },
    emission: {
      ...at('samples', 3),
      producedAtMs: timeMs + 1300,
      node: HOSTILE,
      labels: {},
      delaysMs: {},
      lateView: false,
      agrees: true,
      sample: {},
    },
    search: { from: 'log', by: 'id', partition: 1, recordsRead: 100, tookMs: 12 },
    notes: [HOSTILE],
  }
}
