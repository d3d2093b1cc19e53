/**
 * Two nodes on two cores, which the broker shares, against one node on one core, with the broker on the other: the rates
 * of the same backlog, in turn. One node has its core for itself, two have a broker beside them: what the second core
 * brings is what the broker leaves of it.
 *
 * A rate is counted from the moment at which each node has its share of the partitions and a tenth is joined (what comes
 * before is starting, compilation and the rebalance) to the last sample's LogAppendTime, so what the slower node needs
 * beyond the other counts. Where other work takes part of both cores, two nodes and a broker are given more of them than
 * one node and a broker: `ratioByCpu` is what the CPU seconds alone say, of one node's core against two cores that nodes
 * and broker fill.
 *
 * How it fails: with what a node says; a wrong digest is a result.
 */
import { execFileSync } from 'node:child_process'
import { sampleSchemaOf, writeConfig } from './measures.mjs'
import { cpuSeconds, loadAverage, memoryOf } from './program.mjs'
import { median } from './report.mjs'
import { isShared, joinedBy, startTogether } from './together.mjs'
import { checkSamples, createTopics, PARTITIONS, untilRecords } from './topics.mjs'

const WARM_SHARE = 0.1
/** The cores of the nodes, and of the broker. */
const LAYOUTS = { one: { nodes: [0], broker: '1' }, two: { nodes: [0, 1], broker: '0,1' } }

/** `loaded` makes topics of the workload; `keep` is told each run; `brokerPid` is put on its cores. */
export async function measureNodes(world, { views, runs, loaded, keep, brokerPid }) {
  const input = await loaded('nodes', { views })
  const pairs = []
  for (let run = 1; run <= runs; run++) {
    const pair = []
    for (const [layout, { nodes, broker }] of Object.entries(LAYOUTS)) {
      pin(brokerPid, broker)
      const result = await joinBy(world, `nodes-${layout}-${run}`, input, { cores: nodes, brokerPid })
      keep(`${layout} ${run}`, result)
      pair.push(result)
    }
    pairs.push(pair)
  }
  pin(brokerPid, LAYOUTS.one.broker)
  const ratio = (field) => median(pairs.map(([one, two]) => two[field] / one[field]))
  const ratioByCpu = median(
    pairs.map(([one, two]) => (2 * one.cpuSPerMillion) / (two.cpuSPerMillion + two.brokerCpuSPerMillion)),
  )
  return { ratioRate: ratio('eventsPerS'), ratioCpu: ratio('cpuSPerMillion'), ratioByCpu }
}

function pin(pid, cores) {
  execFileSync('taskset', ['-a', '-cp', cores, String(pid)], { stdio: 'ignore' })
}

async function joinBy(world, name, { topics, answer }, { cores, brokerPid }) {
  const output = `${name}-samples`
  await createTopics(world.built.log, [output], 'LogAppendTime')
  const configs = cores.map((_, k) => writeConfig(world, `${name}-${k}`, { topics, output, pipeline: name }))
  const load = loadAverage()
  const together = await startTogether(world, configs, cores)
  const warm = await together.until(
    (statuses) => isShared(statuses, PARTITIONS) && joinedBy(statuses) >= WARM_SHARE * answer.events,
  )
  const fromMs = Date.now()
  const pids = together.nodes.map(({ child }) => child.pid)
  const cpuBefore = [total(pids.map(cpuSeconds)), cpuSeconds(brokerPid)]
  await untilRecords(world.built.log, output, answer.views, together.failed)
  const cpuS = total(pids.map(cpuSeconds)) - cpuBefore[0]
  const brokerCpuS = cpuSeconds(brokerPid) - cpuBefore[1]
  const peakBytes = Math.max(...pids.map((pid) => memoryOf(pid, 'VmHWM')))
  await together.stop()
  const check = await checkSamples(world.built, output, await sampleSchemaOf(world, configs[0]), answer)
  const events = answer.events - joinedBy(warm)
  const seconds = (check.lastAppendMs - fromMs) / 1000
  const perMillion = (s) => (s / events) * 1e6
  const costs = { cpuSPerMillion: perMillion(cpuS), brokerCpuSPerMillion: perMillion(brokerCpuS) }
  return { seconds, eventsPerS: events / seconds, ...costs, peakBytes, load, check }
}

function total(numbers) {
  return numbers.reduce((sum, one) => sum + one, 0)
}
