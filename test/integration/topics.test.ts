/** Topics and keying against a real broker: what a Kafka says of its topics, and what other producers write. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SetupError } from '../../src/cluster/finding.ts'
import { checkKeying } from '../../src/cluster/keying.ts'
import { checkTopics, ensureTopics, outputTopics, sourceTopics, type TopicsConfig } from '../../src/cluster/topics.ts'
import { kafkajs } from '../../src/log/kafka/patch.ts'
import type { Log } from '../../src/log/port.ts'
import { topicsConfig } from '../cluster/fakeTopics.ts'
import { LineReader } from '../inspect/fakeNode.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { openLog, plainClient } from '../support/kafkaTools.ts'

let broker: SharedBroker
let log: Log
beforeAll(async () => {
  broker = await sharedBroker()
  log = await openLog(broker.brokers)
})
afterAll(async () => {
  await log?.close()
  await broker?.stop()
})

/** The usual configuration, with names that no other test uses. */
function unique(createTopics: boolean): TopicsConfig {
  const { pipeline, node } = topicsConfig({ createTopics })
  const prefix = uniqueName('setup')
  const own = (topic: string) => `${prefix}-${topic}`
  const { late, orphans, deadLetters } = pipeline.sideOutputs
  return {
    node,
    pipeline: {
      ...pipeline,
      sources: pipeline.sources.map((source) => ({ ...source, topic: own(source.topic) })),
      sinks: pipeline.sinks.map((sink) => (sink.type === 'kafka' ? { ...sink, topic: own(sink.topic) } : sink)),
      sideOutputs: { late: own(late), orphans: own(orphans), deadLetters: own(deadLetters) },
    },
  }
}

async function makeSources({ pipeline }: TopicsConfig, partitions: number): Promise<void> {
  await log.createTopics(sourceTopics(pipeline).map((topic) => ({ topic, partitions })))
}

describe('topics of a real broker', () => {
  it('are fine as a broker makes them by default', async () => {
    const config = unique(true)
    await makeSources(config, 3)
    const findings = await ensureTopics(log, config)
    expect(findings.filter((finding) => finding.state !== 'ok')).toEqual([])
    const made = await log.topics(outputTopics(config.pipeline))
    expect(made.map((info) => [info.partitions, info.settings.get('cleanup.policy')])).toEqual(
      made.map(() => [3, 'delete']),
    )
  })

  it('stop the start where outputs are missing, and none is made', async () => {
    const config = unique(false)
    await makeSources(config, 3)
    await expect(ensureTopics(log, config)).rejects.toThrow(SetupError)
    await expect(ensureTopics(log, config)).rejects.toThrow(
      /kafka-topics.sh .* --create --topic \S+-samples --partitions 3/,
    )
    expect(await log.topics(outputTopics(config.pipeline))).toEqual([])
  })

  it('are judged by the settings that they really have', async () => {
    const config = unique(true)
    const [views] = sourceTopics(config.pipeline)
    const [samples, late] = outputTopics(config.pipeline)
    await log.createTopics([
      { topic: views, partitions: 3, settings: { 'retention.ms': '60000' } },
      { topic: samples, partitions: 3, settings: { 'cleanup.policy': 'compact' } },
      { topic: late, partitions: 2, settings: { 'message.timestamp.before.max.ms': '1000' } },
    ])
    const problems = (await checkTopics(log, config)).filter((finding) => finding.state === 'problem')
    expect(problems.map(({ check, subject }) => [check, subject])).toEqual(
      expect.arrayContaining([
        ['retention', views],
        ['settings', samples],
        ['settings', late],
        ['partitions', late],
      ]),
    )
  })
})

describe('keying of what other producers write', () => {
  it('is fine with the user id as key and the default partitioner, and a problem without keys', async () => {
    const [good, bad] = [uniqueName('keyed'), uniqueName('unkeyed')]
    await log.createTopics([good, bad].map((topic) => ({ topic, partitions: 4 })))
    const producer = plainClient(broker.brokers).producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    const users = Array.from({ length: 60 }, (_, i) => `user-${i}`)
    await producer.send({
      topic: good,
      messages: users.map((user) => ({ key: user, value: JSON.stringify({ user }) })),
    })
    await producer.send({ topic: bad, messages: users.map((user) => ({ value: JSON.stringify({ user }) })) })
    await producer.disconnect()
    const readers = [new LineReader(), new LineReader()]
    const findings = await checkKeying({ log, topics: [good, bad], readers, onMiskeyed: 'stop' })
    expect(findings.filter((finding) => finding.subject === good)).toMatchObject([{ state: 'ok' }])
    const problems = findings.filter((finding) => finding.state === 'problem')
    expect(problems.length).toBeGreaterThan(0)
    for (const problem of problems)
      expect(problem.message).toMatch(new RegExp(`topic ${bad} partition \\d offset \\d+: `))
  })
})
