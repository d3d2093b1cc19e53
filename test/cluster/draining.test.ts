/** What a node shows of its partitions from a revocation on, until the group has said which of them stay. */
import { expect, test } from 'vitest'
import { Node } from '../../src/cluster/node.ts'
import { stateOf } from '../../src/inspect/view.ts'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import type { ReaderEvents } from '../../src/log/port.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'

test('all of them are drained, then what stays is live again', async () => {
  const node = { embedded: { partitions: 2 } }
  const pipeline = { labels: { click: { on: 'click', within: '10s' } } }
  const world = await InsideWorld.open({ pipeline: { name: 'draining', node, pipeline } })
  try {
    let events: ReaderEvents | undefined
    const log = proxied(world.log, {
      reader: (options) => {
        events = options
        return world.log.reader(options)
      },
    })
    const { config, readers } = world
    const logger = { info() {}, warn() {}, error() {} }
    world.node = new Node({ config, id: 'node-1', log, readers, logger, journal: openMemoryJournal() })
    await Promise.race([world.node.start(), world.node.failed])
    const states = () => world.node.partitions.map((partition) => `${partition.index} ${stateOf(partition)}`)
    await until('live partitions', () => states().join() === '0 live,1 live')
    await events!.onRevoking([0, 1])
    expect(states()).toEqual(['0 draining', '1 draining'])
    await events!.onAssigned([1])
    expect(states()).toEqual(['1 live'])
  } finally {
    await world.close()
  }
})
