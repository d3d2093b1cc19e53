/** Shared snapshots in a topic of a real broker. */
import { TopicSnapshots } from '../../src/snapshots/topic.ts'
import { snapshotContract } from '../contract/snapshots.ts'
import { sharedBroker, uniqueName } from '../support/broker.ts'
import { openLog } from '../support/kafkaTools.ts'

snapshotContract('a topic', async () => {
  const broker = await sharedBroker()
  const log = await openLog(broker.brokers)
  const topic = uniqueName('snapshots')
  await log.createTopics([{ topic, partitions: 4, settings: { 'cleanup.policy': 'compact' } }])
  const store = new TopicSnapshots(log, topic)
  return {
    store,
    async close() {
      await store.close()
      await log.close()
      await broker.stop()
    },
  }
})
