import { defineConfig } from 'vitest/config'
import { Spread } from './test/support/spread.ts'

const NEVER = ['test/long/**', 'node_modules/**']
/** What starts brokers, nodes or browsers. */
const SYSTEM = ['test/{chaos,integration,page}/**/*.test.ts', 'test/{docs,packaging}.test.ts']
/** What runs the pipeline of crashPipeline.ts on the run's broker: its topics have one name a process. */
const CRASH_RUNS = [
  'cluster',
  'deliveryOrder',
  'exactlyOnce',
  'killKafka',
  'longBatch',
  'nodes',
  'repartitionTwice',
  'restartStop',
]
const APART = CRASH_RUNS.map((name) => `test/integration/${name}.test.ts`)
const BROKER = ['test/support/brokerSetup.ts']

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // For two cores: tests wait for sessions, timers and each other a third of their time. Four would take as long.
    maxWorkers: 3,
    sequence: { sequencer: Spread },
    // The files of a project that a worker runs, one after the other, share a process: what they import is loaded once.
    isolate: false,
    setupFiles: ['test/support/patchFirst.ts', 'test/support/fixedSeed.ts'],
    // A node that is killed after seconds is not worth optimizing, which would be a sixth of its CPU, and half of it is
    // to load a thousand modules. `npm run chaos` and test:long run nodes as they are.
    env: { NODE_FLAGS_IN_TESTS: '--no-opt', PROGRAM_IN_TESTS: 'bundled' },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...NEVER, ...SYSTEM],
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: SYSTEM,
          exclude: [...NEVER, ...APART],
          globalSetup: BROKER,
        },
      },
      { extends: true, test: { name: 'apart', include: APART, isolate: true, globalSetup: BROKER } },
    ],
  },
})
