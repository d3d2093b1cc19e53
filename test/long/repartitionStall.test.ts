/** As test/integration/repartitionStall.test.ts, for half a minute. */
import { expect, test } from 'vitest'
import { stall } from '../repartition/stalled.ts'
import { sharedBroker } from '../support/broker.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

test('a repartitioner that is away for 30 s costs time and no label', async () => {
  const [broker, program, dir] = await Promise.all([sharedBroker(), buildProgram(), tempDir()])
  try {
    const outcome = await stall({ program: program.folder, brokers: broker.brokers, folder: dir.path, downMs: 30_000 })
    console.log(JSON.stringify(outcome))
    expect(outcome.views).toBeGreaterThan(150)
    expect(outcome.samples).toBe(outcome.views)
    expect(outcome.negatives).toBe(0)
    for (const [before, after] of outcome.watermarksMs) expect(after).toBe(before)
  } finally {
    await Promise.all([broker.stop(), program.remove(), dir.remove()])
  }
})
