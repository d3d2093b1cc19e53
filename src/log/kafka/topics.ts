/**
 * Topics: which exist, with the settings that decide whether they keep and take what is written, and making those that
 * are missing.
 *
 * How it fails: a topic that exists with another number of partitions is an error; settings that may not be read are
 * absent.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { LogError, type TopicInfo, type TopicSpec } from '../port.ts'
import type { Logger } from './client.ts'
import { rootCause, toLogError } from './errors.ts'
import type { Lookup } from './lookup.ts'
import { kafkajs } from './patch.ts'

const SETTINGS = [
  'retention.ms',
  'retention.bytes',
  'cleanup.policy',
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'message.timestamp.difference.max.ms',
  'max.message.bytes',
  'compression.type',
  'min.insync.replicas',
]
const SEEN_TRIES = 50
const SEEN_WAIT_MS = 100

export class Topics {
  private readonly admin: Admin
  private readonly lookup: Lookup
  private readonly logger: Logger | undefined

  constructor(admin: Admin, lookup: Lookup, logger: Logger | undefined) {
    this.admin = admin
    this.lookup = lookup
    this.logger = logger
  }

  async describe(names: readonly string[]): Promise<readonly TopicInfo[]> {
    const counts = await this.counts(names)
    const settings = await this.settings([...counts.keys()])
    return [...counts].map(([topic, partitions]) => ({ topic, partitions, settings: settings.get(topic) ?? new Map() }))
  }

  async create(specs: readonly TopicSpec[]): Promise<void> {
    const existing = await this.counts(specs.map(({ topic }) => topic))
    const missing = specs.filter(({ topic }) => !existing.has(topic))
    if (missing.length > 0) await this.make(missing)
    const counts = missing.length > 0 ? await this.seen(specs) : existing
    for (const { topic, partitions } of specs) {
      const count = counts.get(topic)
      if (count !== partitions) {
        throw new LogError('FAILED', `topic ${topic} has ${count} partitions, where ${partitions} were asked for`)
      }
    }
  }

  private async make(specs: readonly TopicSpec[]): Promise<void> {
    const topics = specs.map(({ topic, partitions, settings = {} }) => ({
      topic,
      numPartitions: partitions,
      configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
    }))
    try {
      await this.admin.createTopics({ topics, waitForLeaders: false })
    } catch (error) {
      // One failure is told for all: somebody else may have made some of them at the same time.
      const errors = (error as { errors?: readonly unknown[] }).errors ?? [rootCause(error)]
      const real = errors.find((each) => rootCause(each).type !== 'TOPIC_ALREADY_EXISTS')
      if (real !== undefined) throw toLogError(real, `making topics ${specs.map(({ topic }) => topic).join(', ')}`)
    }
  }

  /** A broker learns of a new topic a moment after the controller has made it. */
  private async seen(specs: readonly TopicSpec[]): Promise<Map<string, number>> {
    const names = specs.map(({ topic }) => topic)
    for (let tries = 0; ; tries++) {
      const counts = await this.counts(names)
      if (counts.size === names.length || tries === SEEN_TRIES) return counts
      await sleep(SEEN_WAIT_MS)
    }
  }

  private async counts(names: readonly string[]): Promise<Map<string, number>> {
    const counts = await Promise.all(names.map(async (name) => [name, await this.lookup.partitionCount(name)] as const))
    return new Map(counts.filter((entry): entry is readonly [string, number] => entry[1] !== null))
  }

  private async settings(names: readonly string[]): Promise<Map<string, Map<string, string>>> {
    if (names.length === 0) return new Map()
    const resources = names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: SETTINGS }))
    try {
      const answer = await this.admin.describeConfigs({ resources, includeSynonyms: false })
      return new Map(
        answer.resources.map(({ resourceName, configEntries }) => [
          resourceName,
          new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
        ]),
      )
    } catch (error) {
      // Trap: one topic that may not be looked at fails the answer for all.
      if (names.length > 1 && rootCause(error).type === 'TOPIC_AUTHORIZATION_FAILED') {
        const each = await Promise.all(names.map((name) => this.settings([name])))
        return new Map(each.flatMap((one) => [...one]))
      }
      this.logger?.warn({ topics: names, error: rootCause(error).message }, 'topics’ settings could not be read')
      return new Map()
    }
  }
}
