/**
 * A backlog of minutes, as it lies there after an outage: one fetch of a source holds more event time than sources may be
 * apart, and what comes late in it is found late all the same.
 */
import { expect, it } from 'vitest'
import { openMemoryJournal } from '../../src/journal/memory.ts'
import { checkOutcome } from '../support/crashCheck.ts'
import { LONGEST_WINDOW_MS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { tempDir } from '../support/tempDir.ts'
import { closingEvents, isBeyondBound, Traffic, VERY_LATE_MS } from '../support/traffic.ts'

const BACKLOG_MS = VERY_LATE_MS * 4
const CLOSING_AFTER_MS = LONGEST_WINDOW_MS * 5

it('is joined as it would have been as it came', { timeout: 120_000 }, async () => {
  const dir = await tempDir()
  const world = await InProcessWorld.open(dir.path)
  try {
    const options = { journal: openMemoryJournal(), isJournalOn: true }
    // The first start makes the topics.
    await world.start(options)
    await world.stop()
    const traffic = new Traffic(5, { withLate: true })
    const untilMs = traffic.nowMs + BACKLOG_MS
    while (traffic.nowMs < untilMs) await world.send(traffic.step())
    await world.start(options)
    await world.joined()
    await world.send(traffic.rest())
    await world.send(closingEvents(world.usersByPartition(), traffic.nowMs + CLOSING_AFTER_MS))
    await world.joined()
    expect(world.count('late')).toBeGreaterThan(20)
    await world.stop()
    const outcome = await checkOutcome(world, { isBeyondBound })
    expect(outcome.samples).toBeGreaterThan(1_000)
    expect(outcome).toMatchObject({ repeated: 0, repeatedBeside: 0 })
  } finally {
    await world.close()
    await dir.remove()
  }
})
