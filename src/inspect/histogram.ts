/**
 * Durations that were counted elsewhere, as a Prometheus histogram: prom-client's own would have to be told each of them.
 */
import type { Metric, MetricObjectWithValues, MetricValueWithName } from 'prom-client'
import { BOUNDS_S } from '../time/durations.ts'
import type { DurationCounts } from './view.ts'

interface Series {
  readonly labels: Readonly<Record<string, number>>
  readonly durations: DurationCounts
}

export function durationsMetric(name: string, help: string, read: () => readonly Series[]): Metric {
  const get = async (): Promise<Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'collect'>> => ({
    name,
    help,
    // prom-client's types know an enumeration whose values they do not export.
    type: 'histogram' as unknown as MetricObjectWithValues<never>['type'],
    aggregator: 'sum',
    values: read().flatMap((series) => valuesOf(name, series)),
  })
  const metric = { name, help, type: 'histogram', aggregator: 'sum', get, reset: () => {} }
  return metric as unknown as Metric
}

function valuesOf(name: string, { labels, durations }: Series): MetricValueWithName<string>[] {
  let count = 0
  const buckets = Array.from(durations.counts, (n, i) => {
    count += n
    return { metricName: `${name}_bucket`, labels: { le: BOUNDS_S[i] ?? '+Inf', ...labels }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: durations.sumMs / 1000 },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
