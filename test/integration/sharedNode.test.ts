/** A node whose data folder is empty starts from what the one before has shared in a folder, and replays the tail alone. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { FolderSnapshots } from '../../src/snapshots/folder.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { LONGEST_WINDOW_MS, PARTITIONS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { tempDir } from '../support/tempDir.ts'
import { closingEvents, Traffic } from '../support/traffic.ts'

const LIVES = 3
const STEPS = 40

it('goes on from a shared snapshot, life after life, with the samples of the oracle', { timeout: 60_000 }, async () => {
  const dir = await tempDir()
  const world = await InProcessWorld.open(dir.path)
  const traffic = new Traffic(23)
  try {
    for (let life = 0; life < LIVES; life++) {
      const snapshots = new FolderSnapshots(join(dir.path, 'share'))
      const node = await world.start({ journal: openMemoryJournal(), isJournalOn: life !== 1, snapshots })
      // Partitions are restored beside the group: the node has started before they are through.
      while (!node.partitions.every(({ isLive }) => isLive)) await sleep(20)
      for (const { recovered, rates, position } of node.partitions) {
        expect(recovered.from).toBe(life === 0 ? 'log' : 'snapshot')
        if (life === 0) continue
        expect(recovered.usersLoaded).toBeGreaterThan(5)
        expect(rates.recordsReplayed).toBeLessThan(position.reduce((sum, offset) => sum + offset, 0))
      }
      for (let k = 0; k < STEPS; k++) {
        await world.send(traffic.step())
        if (k % 4 === 3) await world.joined()
      }
      await world.joined()
      // Commits come every 200 ms, and with them snapshots. A fresh one: where nothing of it is needed any more, the next
      // life rightly reads the log alone.
      const before = node.partitions.map(({ schedule }) => schedule.last)
      while (node.partitions.some(({ schedule }, i) => schedule.last === before[i])) {
        await world.send(traffic.step())
        await sleep(50)
      }
      if (life === LIVES - 1) {
        await world.send(traffic.rest())
        await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + LONGEST_WINDOW_MS * 5))
        await world.joined()
        expect(world.count('pending')).toBe(PARTITIONS)
      }
      await world.stop()
    }
    const outcome = await checkOutcome(world)
    expect(outcome.samples).toBeGreaterThan(500)
  } finally {
    await world.close()
    await dir.remove()
  }
})
