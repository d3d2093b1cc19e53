/**
 * What it costs that sources are keyed by item: the same events, rewritten by user into one consolidated topic and joined
 * from there by the same node (`repartition` in pipeline.yaml), against the join of topics keyed by user, in turn.
 *
 * How it fails: with what a join says; a wrong digest is a result.
 */
import { joinStartUp, measureJoin } from './measures.mjs'
import { median } from './report.mjs'
import { PARTITIONS } from './topics.mjs'

/** `loaded` makes topics of the workload; `keep` is told each run. */
export async function measureRepartition(world, { views, runs, loaded, keep }) {
  const direct = await loaded('by-user', { views })
  const byItem = await loaded('by-item', { views }, 'item')
  const consolidated = (name) => ({ repartition: { topic: `${name}-consolidated`, partitions: PARTITIONS } })
  const startUpS = {
    direct: await joinStartUp(world, 'empty-direct'),
    repartition: await joinStartUp(world, 'empty-repartition', consolidated('empty-repartition')),
  }
  const pairs = []
  for (let run = 1; run <= runs; run++) {
    const one = await measureJoin(world, `direct-${run}`, direct, { startUpS: startUpS.direct })
    keep(`direct ${run}`, one)
    const name = `repartition-${run}`
    const two = await measureJoin(world, name, byItem, { startUpS: startUpS.repartition, ...consolidated(name) })
    keep(`repartition ${run}`, two)
    pairs.push([one, two])
  }
  const ratio = (field) => median(pairs.map(([one, two]) => two[field] / one[field]))
  return { startUpS, ratioCpu: ratio('cpuSPerMillion'), ratioRate: ratio('eventsPerS') }
}
