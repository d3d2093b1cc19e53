/** Whoever writes the consolidated topic stands still: so does time. On a real broker, under traffic. */
import { expect, test } from 'vitest'
import { stall } from '../repartition/stalled.ts'
import { sharedBroker } from '../support/broker.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

test('a killed repartitioner stalls time instead of minting negatives', { timeout: 180_000 }, async () => {
  const [broker, program, dir] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
  try {
    const outcome = await stall({ program: program.folder, brokers: broker.brokers, folder: dir.path, downMs: 6_000 })
    expect(outcome.views).toBeGreaterThan(30)
    expect(outcome.samples).toBe(outcome.views)
    expect(outcome.negatives).toBe(0)
    for (const [before, after] of outcome.watermarksMs) expect(after).toBe(before)
    for (const name of outcome.heldBackBy) expect(name).toMatch(/-(views|clicks) [01]$/)
  } finally {
    await Promise.all([broker.stop(), program.remove(), dir.remove()])
  }
})
