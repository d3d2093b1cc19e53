/** What the benchmark says of the bars: never "met" of what was not measured. */
import { expect, test } from 'vitest'
import { judge } from '../../bench/bars.mjs'

const verdicts = (results: object): string[] => judge(results).map(({ what, verdict }) => `${what}: ${verdict}`)

test('a bar is met, met with its aim, missed, or not measured', () => {
  const found = verdicts({
    anchors: { streams: { ratioCpu: 0.85 }, 'flink-rocksdb': { ratioCpu: 0.4 }, 'flink-heap': { ratioCpu: 1.31 } },
    join: { peakBytes: 701e6 },
    latency: { moving: { p99Ms: 251 } },
    nodes: { ratioRate: 1.6 },
    pending: { bytesPerView: { aboveIdle: 739, aboveBusy: 47, state: 291 } },
  })
  expect(found).toContain('CPU, of Kafka Streams with RocksDB: met')
  expect(found).toContain('CPU, of Flink with RocksDB, per view id: met, and the aim')
  expect(found).toContain('CPU, of Flink on its heap, per view id: MISSED')
  expect(found).toContain('CPU, of Flink with RocksDB, per user: not measured')
  expect(found).toContain('peak resident memory: MISSED')
  expect(found).toContain('p99 to durable, at half of the capacity: met')
  expect(found).toContain('bytes per pending view of about 120 bytes, above an idle node: MISSED')
  expect(found).toContain('restart with 1 million pending views: not measured')
  expect(found).toContain('two nodes on two cores, the broker sharing them, of one on one: events/s: met')
})

test('of a rate more is better', () => {
  const verdictOf = (ratioRate: number): string | undefined =>
    judge({ nodes: { ratioRate } }).find(({ what }) => what.startsWith('two nodes'))?.verdict
  expect([1.49, 1.5, 1.8].map(verdictOf)).toEqual(['MISSED', 'met', 'met, and the aim'])
})

test('of nothing nothing is said', () => {
  expect(new Set(judge({}).map(({ verdict }) => verdict))).toEqual(new Set(['not measured']))
})
