import { defineConfig } from 'vitest/config'

/** `npm run chaos`: one run, as long as it is asked for. */
export default defineConfig({
  test: {
    include: ['test/chaos/longRun.ts'],
    testTimeout: 24 * 3_600_000,
    pool: 'forks',
  },
})
