/**
 * Topics that a test makes with kafkajs as it is, there for whoever asks once it has returned: kafkajs's own wait for
 * leaders fails where a busy broker does not know a topic yet that its controller has made.
 *
 * How it fails: with what the broker says, or with the topics that it does not come to know.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, ITopicConfig } from 'kafkajs'

const KNOWN_TRIES = 100
const KNOWN_WAIT_MS = 100
const NOT_YET = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']

/** @param admin connected */
export async function newTopics(admin: Admin, topics: readonly ITopicConfig[]): Promise<void> {
  await admin.createTopics({ waitForLeaders: false, topics: [...topics] })
  const names = topics.map(({ topic }) => topic)
  for (let tries = 0; !(await isKnown(admin, names)); tries++) {
    if (tries === KNOWN_TRIES) throw new Error(`the broker does not come to know ${names}`)
    await sleep(KNOWN_WAIT_MS)
  }
}

async function isKnown(admin: Admin, names: readonly string[]): Promise<boolean> {
  try {
    const known = await admin.fetchTopicMetadata({ topics: [...names] })
    return known.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0))
  } catch (error) {
    // After its last try kafkajs wraps what the broker said.
    const { type, cause } = error as { type?: string; cause?: { type?: string } }
    if (NOT_YET.includes(type ?? cause?.type ?? '')) return false
    throw error
  }
}
