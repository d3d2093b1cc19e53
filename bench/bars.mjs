/**
 * The bars: what is to be reached, what was measured, and whether it was. Pure.
 *
 * Against an anchor the value is a ratio of CPU per million events, the median over pairs that ran in turn; where no
 * anchor ran it is not judged. Of what is `more` a higher value is a better one.
 */
const MB = 1e6

const against = (name) => (results) => results.anchors?.[name]?.ratioCpu
export const BARS = [
  { what: 'CPU, of Flink with RocksDB, per view id', bar: 0.75, aim: 0.4, unit: 'x', of: against('flink-rocksdb') },
  { what: 'CPU, of Flink with RocksDB, per user', bar: 0.25, aim: 0.12, unit: 'x', of: against('flink-user') },
  { what: 'CPU, of Kafka Streams with RocksDB', bar: 0.85, aim: 0.5, unit: 'x', of: against('streams') },
  { what: 'CPU, of Flink on its heap, per view id', bar: 1.3, aim: 0.8, unit: 'x', of: against('flink-heap') },
  {
    what: 'CPU, this Node of the other (--versus)',
    bar: 1.15,
    aim: 1,
    unit: 'x',
    of: ({ versus }) => versus?.ratioCpu,
  },
  {
    // Four fifths of the rate.
    what: 'time, exactly-once of at-least-once (--delivery)',
    bar: 1.25,
    aim: 1.1,
    unit: 'x',
    of: ({ delivery }) => delivery && 1 / delivery.ratioRate,
  },
  { what: 'peak resident memory', bar: 700, aim: 400, unit: 'MB', of: ({ join }) => join && join.peakBytes / MB },
  {
    // By the upper bound: what a busy node keeps of freed memory can hide more than the views take.
    what: 'bytes per pending view of about 120 bytes, above an idle node',
    bar: 450,
    aim: 300,
    unit: '',
    of: ({ pending }) => pending?.bytesPerView.aboveIdle,
  },
  {
    what: 'p99 to durable, at half of the capacity',
    bar: 500,
    aim: 250,
    unit: 'ms',
    of: ({ latency }) => latency?.moving.p99Ms,
  },
  { what: 'restart with 1 million pending views', bar: 5, aim: 2, unit: 's', of: ({ restart }) => restart?.seconds },
  {
    what: 'SIGTERM of one of three nodes under load: p99 until its partitions are live elsewhere',
    bar: 5,
    aim: 2,
    unit: 's',
    of: ({ handovers }) => handovers?.drained.live.p99S,
  },
  {
    what: 'start of one of three nodes under load: p99 until the partitions that it is given are live on it',
    bar: 5,
    aim: 2,
    unit: 's',
    of: ({ handovers }) => handovers?.started.live.p99S,
  },
  {
    what: 'two nodes on two cores, the broker sharing them, of one on one: events/s',
    bar: 1.5,
    aim: 1.8,
    unit: 'x',
    more: true,
    of: ({ nodes }) => nodes?.ratioRate,
  },
]

/** Each bar with its value and what is to be said of it. */
export function judge(results) {
  return BARS.map(({ of, ...bar }) => {
    const value = of(results) ?? null
    return { ...bar, value, verdict: verdictOf(value, bar) }
  })
}

function verdictOf(value, { bar, aim, more }) {
  if (value === null) return 'not measured'
  const reaches = (limit) => (more ? value >= limit : value <= limit)
  if (reaches(aim)) return 'met, and the aim'
  return reaches(bar) ? 'met' : 'MISSED'
}
