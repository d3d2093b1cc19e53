import { defineConfig } from 'vitest/config'
import { Spread } from './test/support/spread.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**', 'node_modules/**'],
    globalSetup: ['test/support/brokerSetup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // Tests of nodes and brokers wait more than they work: one worker more than a small machine has cores.
    maxWorkers: 3,
    sequence: { sequencer: Spread },
  },
})
