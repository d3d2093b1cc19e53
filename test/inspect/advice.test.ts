import { describe, expect, it } from 'vitest'
import { adviceOn } from '../../src/inspect/advice.ts'
import type { ClusterAnswer } from '../../src/inspect/cluster.ts'
import { type NodeStatus, statusOf } from '../../src/inspect/status.ts'
import { type FakePartition, fakeNode, fakePartition } from './fakeNode.ts'

const around = {
  url: '',
  version: '1',
  uptimeMs: 1,
  wallMs: 100_000,
  memory: process.memoryUsage(),
  eventLoopP99Ms: 1,
  ratePerS: () => 0,
}

const node = (id: string, partitions: readonly FakePartition[] = []): NodeStatus =>
  statusOf(
    fakeNode(
      partitions.map((given, i) => fakePartition(i, given)),
      { id },
    ),
    around,
  )

const cluster = (more: Partial<ClusterAnswer> = {}): ClusterAnswer => {
  const member = { id: 'a', url: '', version: '1', fingerprint: 'f', partitions: [0, 1] }
  return { node: 'a', group: 'g', partitionCount: 2, isMoving: false, strangers: 0, members: [member], ...more }
}

describe('advice on a cluster', () => {
  it('is none where all is well', () => {
    const fine = node('a', [{ highestMs: [90_000, 95_000], position: [3, 4], endOffset: [3, 4] }])
    expect(adviceOn(cluster(), [fine], [])).toEqual([])
  })

  it('says that a rebalance passes, that partitions have no owner, and that others are in the group', () => {
    expect(adviceOn(cluster({ isMoving: true }), [], [])).toEqual([expect.stringMatching(/rebalance.*look again/)])
    expect(adviceOn(cluster({ partitionCount: 4, strangers: 1 }), [], [])).toEqual([
      'nobody owns partitions 2, 3: start a node',
      expect.stringMatching(/1 members that are no nodes of Postview/),
    ])
  })

  it('names nodes that do not answer, and differences between those that do', () => {
    const two = { ...node('b'), version: '2', pipeline: { name: 'feed', fingerprint: 'other' } }
    const advice = adviceOn(cluster(), [node('a'), two], [{ node: 'c at http://c', reason: 'ECONNREFUSED' }])
    expect(advice).toEqual([
      expect.stringMatching(/^c at http:\/\/c does not answer \(ECONNREFUSED\)/),
      expect.stringMatching(/different pipelines \(abc on a; other on b\)/),
      expect.stringMatching(/different versions \(1 on a; 2 on b\)/),
    ])
  })

  it('tells what holds a partition back', () => {
    const [slow] = node('a', [{ highestMs: [90_000, 50_000], endOffset: [5, 9] }]).partitions
    expect(slow.heldBackBy).toBe('engagements')
    expect(slow.sources.map(({ lag, lagMs }) => [lag, lagMs])).toEqual([
      [5, 10_000],
      [9, 50_000],
    ])
    const never = node('a', [{ highestMs: [90_000, Number.NEGATIVE_INFINITY] }])
    expect(adviceOn(null, [never], [])).toEqual([expect.stringMatching(/nothing has come from engagements yet/)])
  })
})
