/**
 * A batch whose turns take longer than the group's session (DEPENDENCIES.md: kafkajs sends heartbeats between batches):
 * the member stays one, and commits the batch under the same assignment. Slow by the node's own hook.
 */
import { expect, it } from 'vitest'
import { openNoJournal } from '../../src/journal/none.ts'
import { sharedBroker } from '../support/broker.ts'
import { EVENT_TYPES, GROUP, TOPICS } from '../support/crashPipeline.ts'
import { InProcessWorld } from '../support/inProcessNode.ts'
import { openLog } from '../support/kafkaTools.ts'
import { usersNamed } from '../support/lives.ts'
import { tempDir } from '../support/tempDir.ts'
import { until } from '../support/until.ts'

const SESSION_MS = 3_000
const RECORD_MS = 10
/** In one batch of partition 0, half as long again as the session. */
const RECORDS = (SESSION_MS / RECORD_MS) * 1.5
const TIME_MS = 1_700_000_000_000

function work(): void {
  const endMs = performance.now() + RECORD_MS
  while (performance.now() < endMs);
}

it('does not cost the membership', async () => {
  const { brokers } = await sharedBroker()
  const [dir, log] = await Promise.all([tempDir(), openLog(brokers)])
  const kafka = { brokers, delivery: 'at-least-once', sessionTimeout: `${SESSION_MS}ms` } as const
  const world = await InProcessWorld.onKafka(dir.path, log, kafka)
  let lastOfBatch = 0
  const beforeRecord = (_: unknown, i: number): void => {
    lastOfBatch = Math.max(lastOfBatch, i)
    work()
  }
  try {
    const node = await world.start({ journal: openNoJournal(), isJournalOn: false, beforeRecord })
    const before = await log.members(GROUP)
    await world.send(
      usersNamed('slow', RECORDS).map((user) => {
        const view = { view_id: null, user_id: user, item_id: 'item', event_time: TIME_MS, surface: 'feed' }
        return { source: 0, user, item: 'item', arrivalMs: TIME_MS, value: EVENT_TYPES[0].toBuffer(view) }
      }),
    )
    const committed = async () => (await log.committed(GROUP, [TOPICS[0]])).find(({ partition }) => partition === 0)
    await until('a commit of the batch', async () => (await committed())?.offset === RECORDS)
    expect(lastOfBatch * RECORD_MS).toBeGreaterThan(SESSION_MS)
    expect(node.assignments).toBe(1)
    expect(await log.members(GROUP)).toEqual(before)
  } finally {
    await world.close()
    await log.close()
    await dir.remove()
  }
})
