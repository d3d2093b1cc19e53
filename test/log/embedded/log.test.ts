import { openEmbeddedLog } from '../../../src/log/embedded/log.ts'
import { logContract } from '../../contract/log.ts'
import { tempDir } from '../../support/tempDir.ts'

for (const fsyncMs of [0, 5]) {
  logContract(`embedded, fsync after ${fsyncMs} ms`, async () => {
    const dir = await tempDir()
    const log = await openEmbeddedLog({
      folder: dir.path,
      fsyncMs,
      segmentBytes: 4096,
      retentionMs: Number.POSITIVE_INFINITY,
      partitions: 2,
    })
    let names = 0
    return {
      log,
      close: async () => {
        await log.close()
        await dir.remove()
      },
      uniqueTopic: (prefix) => `${prefix}-${names++}`,
    }
  })
}
