import { describe, expect, it } from 'vitest'
import { renderStatus } from '../../src/cli/status.ts'
import { adviceOn } from '../../src/inspect/advice.ts'
import { type NodeStatus, statusOf } from '../../src/inspect/status.ts'
import type { LaneView } from '../../src/repartition/lanes.ts'
import { fakeNode, fakePartition } from './fakeNode.ts'

const NOW_MS = 1_700_000_100_000
type Told = readonly (readonly [name: string, clockMs: number])[]

function statusWith(slowest: Told, lanes?: readonly LaneView[]): NodeStatus {
  const repartition = lanes && { topic: 'all', records: 12, lanes }
  const around = {
    url: '',
    version: '1',
    uptimeMs: 1,
    wallMs: NOW_MS,
    memory: process.memoryUsage(),
    eventLoopP99Ms: 1,
    ratePerS: () => 0,
    repartition,
  }
  return statusOf(fakeNode([fakePartition(0, { slowest })]), around)
}

const lane = (partition: number, given: Partial<LaneView>): LaneView => ({
  topic: 'clicks',
  partition,
  position: 0,
  endOffset: Number.POSITIVE_INFINITY,
  highestMs: Number.NEGATIVE_INFINITY,
  silenceMs: 0,
  isPaused: false,
  ...given,
})

describe('what holds a partition of a consolidated topic back', () => {
  it('is the source partition whose clock was told as the least', () => {
    const status = statusWith([['views 3', 5_000]])
    expect(status.partitions[0]).toMatchObject({
      heldBackBy: 'views 3',
      slowest: { clockMs: 5_000, count: 1, names: ['views 3'] },
    })
    expect(renderStatus([status])).toContain('views 3')
    expect(adviceOn(null, [status], [])).toEqual([])
  })

  it('is every one that has not told its clock yet, few of them by name, with what to do', () => {
    const untold = Array.from({ length: 900 }, (_, i) => [`views ${i}`, Number.NEGATIVE_INFINITY] as const)
    const status = statusWith(untold)
    const { heldBackBy, slowest } = status.partitions[0]
    expect([heldBackBy, slowest?.clockMs, slowest?.count, slowest?.names.length]).toEqual(['views 0', null, 900, 5])
    expect(renderStatus([status])).toContain('views 0 and 899 more')
    expect(adviceOn(null, [status], [])).toEqual([
      expect.stringMatching(
        /^partition 0 seals nothing: the clock of views 0 and 899 more was not told yet.*repartition/,
      ),
    ])
  })

  it('is nobody where all are left out', () => {
    const { heldBackBy, slowest } = statusWith([['views 0', Number.POSITIVE_INFINITY]]).partitions[0]
    expect([heldBackBy, slowest]).toEqual([null, null])
  })
})

describe('the lag of a repartitioner', () => {
  it('is that of all its source partitions in records, and of the slowest in time', () => {
    const lanes = [
      lane(0, { position: 5, endOffset: 9, highestMs: NOW_MS - 2_000 }),
      lane(4, { position: 7, endOffset: 8, highestMs: NOW_MS - 9_000, isPaused: true }),
      lane(5, { position: 7, endOffset: 7, highestMs: NOW_MS - 90_000, silenceMs: 80_000 }),
    ]
    const { repartition } = statusWith([], lanes)
    expect(repartition).toMatchObject({ topic: 'all', records: 12, lag: 5, lagMs: 9_000 })
    expect(repartition?.sources.map(({ partition, lag, lagMs, paused }) => [partition, lag, lagMs, paused])).toEqual([
      [0, 4, 2_000, false],
      [4, 1, 9_000, true],
      [5, 0, 0, false],
    ])
    const text = renderStatus([statusWith([], lanes)])
    for (const part of ['repartitioned by', 'clicks', 'paused']) expect(text).toContain(part)
  })

  it('is not known before the log has told where it ends, and null where nothing is repartitioned', () => {
    expect(statusWith([], [lane(0, {})]).repartition).toMatchObject({ lag: null, lagMs: null })
    expect(statusWith([]).repartition).toBeNull()
    expect(renderStatus([statusWith([])])).not.toContain('repartitioned')
  })
})
