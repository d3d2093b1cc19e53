/** A node whose data folder is empty starts from what the one before has shared in a folder, and replays the tail alone. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { FolderSnapshots } from '../../src/snapshots/folder.ts'
import { readHeader } from '../../src/snapshots/format.ts'
import type { SnapshotSink, SnapshotStore } from '../../src/snapshots/port.ts'
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

/** A store in which snapshots can be begun only once it is opened: what is under way then takes as long as that. */
class GatedSnapshots extends FolderSnapshots {
  open: () => void = () => {}
  private readonly opened = new Promise<void>((resolve) => {
    this.open = resolve
  })

  override async begin(partition: number): Promise<SnapshotSink> {
    await this.opened
    return super.begin(partition)
  }
}

it('shares what was committed last, though nothing comes after it', { timeout: 60_000 }, async () => {
  const dir = await tempDir()
  const world = await InProcessWorld.open(dir.path)
  const traffic = new Traffic(29)
  try {
    const snapshots = new GatedSnapshots(join(dir.path, 'share'))
    const node = await world.start({ journal: openMemoryJournal(), isJournalOn: true, snapshots })
    while (!node.partitions.every(({ isLive }) => isLive)) await sleep(20)
    for (let k = 0; k < STEPS; k++) {
      await world.send(traffic.step())
      // So the first snapshot, which is held up, is of a commit in the midst of it.
      if (k === STEPS / 2) await sleep(1_000)
    }
    await world.joined()
    // All of it is committed, and for some commits' time there was nothing to commit.
    const batches = () => node.partitions.map(({ state }) => state.batchNumber).join()
    for (let before = ''; before !== batches(); await sleep(1_000)) before = batches()
    snapshots.open()
    const offsets = node.partitions.map(({ position }) => [...position])
    await expect.poll(() => sharedOffsets(snapshots), { timeout: 20_000, interval: 100 }).toEqual(offsets)
    await world.stop()
  } finally {
    await world.close()
    await dir.remove()
  }
})

/** Per partition, the offsets that its newest snapshot stands for. */
function sharedOffsets(snapshots: SnapshotStore): Promise<(readonly number[])[]> {
  return Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const [newest] = await snapshots.find(partition)
      if (newest === undefined) return []
      for await (const frame of newest.frames()) return readHeader(frame).offsets
      return []
    }),
  )
}
