/** What is served, what docs/METRICS.md says of it, and what the dashboard asks for are one list. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { makeMetrics } from '../../src/inspect/metrics.ts'
import type { RepartitionView } from '../../src/repartition/lanes.ts'
import { Durations } from '../../src/time/durations.ts'
import { fakeNode, fakePartition } from './fakeNode.ts'

const NOW_MS = 1_700_000_100_000
/** As prom-client has them; which of them there are depends on the system. */
const OF_THE_PROCESS = /^postview_(process|nodejs)_/

const REPARTITION: RepartitionView = {
  topic: 'all',
  records: 17,
  lanes: [
    {
      topic: 'clicks',
      partition: 2,
      position: 4,
      endOffset: 9,
      highestMs: NOW_MS - 3500,
      silenceMs: 0,
      isPaused: false,
    },
    { topic: 'clicks', partition: 5, position: 9, endOffset: 9, highestMs: 0, silenceMs: 0, isPaused: false },
    {
      topic: 'views',
      partition: 0,
      position: 1,
      endOffset: Infinity,
      highestMs: -Infinity,
      silenceMs: 0,
      isPaused: false,
    },
  ],
}

function metricsOf(
  node = fakeNode([fakePartition(0)]),
  faults = new Map<string, number>(),
  repartition: RepartitionView | undefined = REPARTITION,
) {
  const refused = { rate: 0, host: 0, origin: 0, body: 0, token: 0, role: 0 }
  return makeMetrics({ node, version: '1.2.3', wallMs: () => NOW_MS, refused, faults, repartition: () => repartition })
}

const served = (await metricsOf().getMetricsAsJSON()).map(({ name, help, type }) => ({
  name,
  help,
  type: String(type),
}))
const ours = served.map(({ name }) => name).filter((name) => !OF_THE_PROCESS.test(name))
const text = readFileSync('docs/METRICS.md', 'utf8')
const documented = [...text.matchAll(/^\| `(postview_\w+)` \|/gm)].map((match) => match[1])

describe('docs/METRICS.md', () => {
  it('names what is served, each once, and nothing else', () => {
    expect(ours.length).toBeGreaterThan(40)
    expect([...documented].sort()).toEqual([...ours].sort())
  })

  it('names every label', async () => {
    const lines = (await metricsOf(fakeNode([fakePartition(0)]), new Map([['x', 1]])).metrics()).split('\n')
    for (const name of ours) {
      const line = lines.find((one) => one.startsWith(`${name}{`) || one.startsWith(`${name}_bucket{`))
      const labels = [...(line ?? '').matchAll(/(\w+)="/g)].map((match) => match[1]).filter((label) => label !== 'le')
      const row = text.split('\n').find((one) => one.startsWith(`| \`${name}\``))!
      for (const label of labels) expect(row, name).toContain(`\`${label}\``)
    }
  })
})

describe('names', () => {
  it('are those of the ecosystem: a prefix, base units, _total for what counts', () => {
    for (const { name, type, help } of served.filter(({ name }) => !OF_THE_PROCESS.test(name))) {
      expect(name).toMatch(/^postview_[a-z]+(_[a-z]+)*$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|millis|micros|kb|mb|minutes)(_|$)/)
      if (type === 'histogram') expect(name).toMatch(/_seconds$/)
      expect(help.length, name).toBeGreaterThan(10)
    }
  })
})

describe('the dashboard', () => {
  it('asks for metrics that exist, with labels that they have', () => {
    const dashboard = readFileSync('docs/grafana-dashboard.json', 'utf8')
    const asked = [...new Set([...dashboard.matchAll(/postview_[a-z_0-9]+/g)].map((match) => match[0]))]
    const known = new Set(served.flatMap(({ name, type }) => (type === 'histogram' ? [`${name}_bucket`] : [name])))
    expect(asked.length).toBeGreaterThan(20)
    expect(asked.filter((name) => !known.has(name))).toEqual([])
  })
})

describe('values', () => {
  const lines = async (...args: Parameters<typeof metricsOf>) => (await metricsOf(...args).metrics()).split('\n')

  it('are in seconds, and left out where nothing is known', async () => {
    const known = { position: [5, 1], endOffset: [9, 1], highestMs: [NOW_MS - 4000, NOW_MS - 7000], paused: 1 }
    const found = await lines(fakeNode([fakePartition(3, { ...known, watermarkMs: NOW_MS - 9500 }), fakePartition(4)]))
    for (const line of [
      'postview_lag_seconds{partition="3",topic="views"} 4',
      'postview_lag_seconds{partition="3",topic="engagements"} 0',
      'postview_source_clock_lag_seconds{partition="3",topic="engagements"} 7',
      'postview_source_paused{partition="3",topic="engagements"} 1',
      'postview_watermark_lag_seconds{partition="3"} 9.5',
      'postview_partitions 2',
    ]) {
      expect(found).toContain(line)
    }
    expect(found.some((line) => line.startsWith('postview_watermark_lag_seconds{partition="4"'))).toBe(false)
  })

  it('of what is live count no stopped partition', async () => {
    const stoppedBy = new Error('a record is miskeyed')
    const found = await lines(fakeNode([fakePartition(0, { stoppedBy }), fakePartition(1)]))
    expect(found.filter((line) => line.startsWith('postview_partition_live{'))).toEqual([
      'postview_partition_live{partition="0"} 0',
      'postview_partition_live{partition="1"} 1',
    ])
  })

  it('of the ledger say by how much it is off', async () => {
    const found = await lines(
      fakeNode([fakePartition(0, { ledger: { records: 9, views: 5, engagements: 3, samples: 5 } })]),
    )
    expect(found).toContain('postview_ledger_imbalance{partition="0",equation="records"} 1')
    expect(found).toContain('postview_ledger_imbalance{partition="0",equation="views"} 0')
    expect(found).toContain('postview_ledger_imbalance{partition="0",equation="engagements"} 3')
  })

  it('of repartitioning are those of the source partitions that are read, as far as they are known', async () => {
    const found = (await lines()).filter((line) => line.startsWith('postview_repartition'))
    expect(found).toEqual([
      'postview_repartition_lag_records{topic="clicks",partition="2"} 5',
      'postview_repartition_lag_records{topic="clicks",partition="5"} 0',
      'postview_repartition_lag_seconds{topic="clicks",partition="2"} 3.5',
      'postview_repartition_lag_seconds{topic="clicks",partition="5"} 0',
      'postview_repartition_records_total 17',
    ])
  })

  it('of durations are cumulative, as histograms are', async () => {
    const durations = new Durations()
    for (const ms of [0.5, 4, 4, 90, 1e9, -5]) durations.add(ms)
    const node = { ...fakeNode([]), commitTimes: durations }
    const found = await lines(node)
    for (const line of [
      'postview_commit_seconds_bucket{le="0.001"} 2',
      'postview_commit_seconds_bucket{le="0.005"} 4',
      'postview_commit_seconds_bucket{le="0.05"} 4',
      'postview_commit_seconds_bucket{le="0.1"} 5',
      'postview_commit_seconds_bucket{le="7200"} 5',
      'postview_commit_seconds_bucket{le="+Inf"} 6',
      'postview_commit_seconds_count 6',
    ]) {
      expect(found).toContain(line)
    }
    expect(found.find((line) => line.startsWith('postview_commit_seconds_sum'))).toMatch(/ 1000000\.098/)
  })

  it('of faults have few labels, however many texts there are', async () => {
    const many = new Map(Array.from({ length: 100 }, (_, i) => [`fault ${i}`, 2] as const))
    const found = (await lines(fakeNode([]), many)).filter((line) => line.startsWith('postview_faults_total{'))
    expect(found).toHaveLength(65)
    expect(found).toContain('postview_faults_total{fault="others"} 72')
  })
})
