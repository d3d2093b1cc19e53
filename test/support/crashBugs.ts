/**
 * Bugs of the kind that only a crash shows, to be put into the product by the text (program.ts): each must be found by a
 * short crash run.
 */
import type { Harm } from './crashRun.ts'
import type { Mutation } from './program.ts'

export interface CrashBug {
  readonly name: string
  readonly harms: readonly Harm[]
  readonly mutations: readonly Mutation[]
}

/** Of exactly-once delivery alone: each makes a sample appear twice to readers of committed records. */
export const DELIVERY_BUGS: readonly CrashBug[] = [
  {
    name: 'transactions without their offsets, every other one',
    harms: ['none'],
    mutations: [
      {
        file: 'cluster/exactlyOnce.ts',
        find: 'return capturedEntries(partition, capture)',
        replace: 'return this.commits % 2 === 0 ? [] : capturedEntries(partition, capture)',
      },
    ],
  },
  {
    name: 'offsets committed outside of the transaction, a moment later',
    harms: ['none'],
    mutations: [
      {
        file: 'cluster/exactlyOnce.ts',
        find: 'return capturedEntries(partition, capture)\n      })',
        replace:
          'return []\n      })\n' +
          'await new Promise((resolve) => setTimeout(resolve, 100))\n' +
          'await this.options.commit(capturedEntries(partition, capture))',
      },
    ],
  },
  {
    name: 'output made after the capture in the transaction of the capture',
    harms: ['none'],
    mutations: [
      { file: 'cluster/exactlyOnce.ts', find: 'if (isNew(made)) this.writer.cut(partition.index)', replace: '' },
      {
        file: 'log/kafka/transactionalProducer.ts',
        find: 'this.cut()\n    try {\n      await this.drained()',
        replace:
          'try {\n      await this.drained()\n      await new Promise((resolve) => setTimeout(resolve, 100))\n      await this.drained()\n      this.cut()',
      },
    ],
  },
]

export const CRASH_BUGS: readonly CrashBug[] = [
  {
    name: 'a commit that does not wait for the samples',
    harms: ['none'],
    mutations: [
      {
        file: 'cluster/flushedCapture.ts',
        find: 'await this.partition.flushed()',
        replace: '',
      },
      { file: 'actors/partition.ts', find: 'if (feed.bytes === 0) this.output.push()', replace: '' },
      { file: 'actors/capture.ts', find: 'output.push()', replace: '' },
    ],
  },
  {
    name: 'the last record of a replayed chunk dropped',
    harms: ['no journal'],
    mutations: [
      {
        file: 'join/replay.ts',
        find: 'for (let i = 0; i < batch.count; i++) {\n    if (batch.kind[i] >= REFUSED || batch.offset[i] >= options.below)',
        replace:
          'for (let i = 0; i < batch.count - 1; i++) {\n    if (batch.kind[i] >= REFUSED || batch.offset[i] >= options.below)',
      },
    ],
  },
  {
    name: 'decided engagements not bound again',
    harms: ['no journal'],
    mutations: [
      { file: 'join/replay.ts', find: 'if (verdict.owner !== 0) E.rebind(s, e, verdict.owner)\n  else ', replace: '' },
    ],
  },
  {
    name: 'replay from the committed offset instead of the lowest needed one',
    harms: ['no journal'],
    mutations: [
      {
        file: 'actors/capture.ts',
        find: 'Math.min(offset, s.needed[source].lowest(offset))',
        replace: 'offset',
      },
    ],
  },
  {
    name: 'segments trimmed though events in them are needed',
    harms: ['none'],
    mutations: [{ file: 'actors/store.ts', find: ' && !this.needs.has(this.firstSegment)', replace: '' }],
  },
  {
    name: 'the ledger not restored',
    harms: ['none'],
    mutations: [{ file: 'actors/partition.ts', find: 's.restoreLedger(at.ledger)', replace: '' }],
  },
  {
    name: 'a journal that is ahead of the commit believed',
    harms: ['newer'],
    mutations: [{ file: 'actors/journalRecovery.ts', find: "return 'it is ahead of the commit'", replace: '' }],
  },
]

export function crashBug(name: string): CrashBug {
  const bug = CRASH_BUGS.find((each) => each.name === name)
  if (bug === undefined) throw new Error(`no crash bug of the name ${name}`)
  return bug
}
