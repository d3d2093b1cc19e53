/**
 * `node cluster start --nodes 3` as it is called, on a real broker under live traffic: three nodes below one parent, one
 * of which is killed and comes back by itself; SIGTERM to the parent drains them all.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { sharedBroker } from '../support/broker.ts'
import { openClusterWorld } from '../support/clusterWorld.ts'
import { checkOutcome } from '../support/crashCheck.ts'

const NAMES = ['trio-1', 'trio-2', 'trio-3']
const FIRST_WAIT_MS = 1_000
const FLOW_MS = 1_000

it('three nodes below one parent: one dies and comes back, all are drained, every sample is made once', {
  timeout: 180_000,
}, async () => {
  const cluster = await openClusterWorld(7, 'at-least-once', await sharedBroker())
  const { run, world } = cluster
  const statusOf = async (id: string): Promise<NodeStatus> =>
    (await fetch(`${run.nodes.get(id)!.url}/status`)).json() as Promise<NodeStatus>
  try {
    const parent = await run.startSeveral('trio', NAMES.length)
    await run.allLive(NAMES.length)
    expect([...run.nodes.keys()].sort()).toEqual(NAMES)
    expect(new Set([...run.nodes.values()].map(({ url }) => url)).size).toBe(NAMES.length)
    // Each journal lies in the folder of its node.
    expect((await readdir(run.dataOf('trio'))).sort()).toEqual(NAMES)
    for (const id of NAMES) expect(await readdir(join(run.dataOf('trio'), id))).not.toEqual([])
    const before = await Promise.all(NAMES.map(statusOf))
    expect(before.map(({ node, startedAgain }) => [node, startedAgain])).toEqual(NAMES.map((id) => [id, 0]))
    expect(new Set([parent.pid, ...before.map(({ pid }) => pid)]).size).toBe(1 + NAMES.length)
    await sleep(FLOW_MS)

    const killed = run.nodes.get('trio-2')
    process.kill(before[1].pid, 'SIGKILL')
    const killedMs = performance.now()
    while (run.nodes.get('trio-2') === killed) await sleep(50)
    expect(performance.now() - killedMs).toBeGreaterThan(FIRST_WAIT_MS)
    await run.allLive(NAMES.length)
    const after = await Promise.all(NAMES.map(statusOf))
    expect(after.map(({ startedAgain }) => startedAgain)).toEqual([0, 1, 0])
    expect(after.map(({ pid }) => pid === before[1].pid)).toEqual([false, false, false])
    expect([after[0].pid, after[2].pid]).toEqual([before[0].pid, before[2].pid])
    await sleep(FLOW_MS)

    expect(await run.finish()).toEqual([0])
    // None is left over, and each has said that it was drained.
    for (const { pid } of after) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    const ended = parent.lines.filter((line) => line.includes('"a node has ended"'))
    expect(ended.map((line) => (JSON.parse(line) as { ended: number }).ended)).toEqual([0, 0, 0])
    const outcome = await checkOutcome(world)
    expect(outcome.samples).toBeGreaterThan(300)
    expect(outcome.deadLetters).toBe(run.traffic.garbage + run.traffic.skewed)
  } finally {
    await cluster.close()
  }
})
