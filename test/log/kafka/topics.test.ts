/** Topics' settings, where the broker lets some of them be read and others not. */
import type { Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import type { Lookup } from '../../../src/log/kafka/lookup.ts'
import { wire } from '../../../src/log/kafka/patch.ts'
import { Topics } from '../../../src/log/kafka/topics.ts'

const TOPIC_AUTHORIZATION_FAILED = 29

test('of a topic that may not be looked at are absent, and cost no other topic its own', async () => {
  const admin = {
    describeConfigs: async ({ resources }: { resources: { name: string }[] }) => {
      if (resources.some(({ name }) => name === 'secret')) throw wire.createErrorFromCode(TOPIC_AUTHORIZATION_FAILED)
      const configEntries = [{ configName: 'max.message.bytes', configValue: '7' }]
      return { resources: resources.map(({ name }) => ({ resourceName: name, configEntries })) }
    },
  }
  const lookup = { partitionCount: async () => 1 }
  const told: object[] = []
  const logger = { debug: () => {}, warn: (fields: object) => told.push(fields) }
  const topics = new Topics(admin as unknown as Admin, lookup as unknown as Lookup, logger)
  const described = await topics.describe(['samples', 'secret', 'late'])
  expect(described.map(({ settings }) => settings.get('max.message.bytes'))).toEqual(['7', undefined, '7'])
  expect(told).toMatchObject([{ topics: ['secret'] }])
})
