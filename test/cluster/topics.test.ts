import { describe, expect, it } from 'vitest'
import { SetupError } from '../../src/cluster/finding.ts'
import { checkTopics, ensureTopics, type TopicsConfig } from '../../src/cluster/topics.ts'
import { ALL, FakeTopics, type Settings, topicsConfig } from './fakeTopics.ts'

const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(ALL).filter(([name]) => !names.includes(name)))

async function problems(topics: FakeTopics, config: TopicsConfig = topicsConfig()): Promise<string[]> {
  const findings = await checkTopics(topics.log, config)
  return findings.filter((finding) => finding.state === 'problem').map((finding) => finding.message)
}

async function warnings(topics: FakeTopics): Promise<string[]> {
  const findings = await checkTopics(topics.log, topicsConfig())
  return findings.filter((finding) => finding.state === 'warning').map((finding) => finding.message)
}

const withSettings = (topic: string, settings: Settings) => new FakeTopics('kafka', ALL).set(topic, 6, settings)

describe('topics that are as they should be', () => {
  it('are told one by one, without a problem or a warning', async () => {
    const findings = await checkTopics(new FakeTopics('kafka', ALL).log, topicsConfig())
    expect(findings.every((finding) => finding.state === 'ok')).toBe(true)
    expect(new Set(findings.map((finding) => finding.subject))).toEqual(new Set(Object.keys(ALL)))
  })
})

describe('topics that are not there', () => {
  it('are a problem where they are sources, also with createTopics', async () => {
    const topics = new FakeTopics('kafka', without('clicks'))
    for (const createTopics of [false, true]) {
      expect(await problems(topics, topicsConfig({ createTopics }))).toEqual([
        expect.stringContaining('topic clicks does not exist'),
      ])
    }
    await expect(ensureTopics(topics.log, topicsConfig({ createTopics: true }))).rejects.toThrow(SetupError)
    expect(topics.created).toEqual([])
  })

  it('are told with the command that makes them where they are outputs', async () => {
    const topics = new FakeTopics('kafka', without('samples', 'dead'))
    expect(await problems(topics)).toEqual([
      'topic samples does not exist. Make it (or set createTopics: true in pipeline.yaml): kafka-topics.sh ' +
        '--bootstrap-server b1:9092 --create --topic samples --partitions 6 --config cleanup.policy=delete',
      expect.stringContaining('--create --topic dead --partitions 6'),
    ])
    await expect(ensureTopics(topics.log, topicsConfig())).rejects.toThrow(/--topic samples[\s\S]*--topic dead/)
    expect(topics.created).toEqual([])
  })

  it('are told with a client’s settings where brokers want to know who asks', async () => {
    const topics = new FakeTopics('kafka', without('samples'))
    const [message] = await problems(topics, topicsConfig({ kafka: { ssl: true } }))
    expect(message).toContain('--bootstrap-server b1:9092 --command-config FILE --create')
  })

  it('are made where createTopics says so, with the partitions of the sources and without compaction', async () => {
    const topics = new FakeTopics('kafka', without('samples', 'dead'))
    const findings = await ensureTopics(topics.log, topicsConfig({ createTopics: true }))
    expect(findings.every((finding) => finding.state === 'ok')).toBe(true)
    const settings = { 'cleanup.policy': 'delete' }
    expect(topics.created).toEqual([
      { topic: 'samples', partitions: 6, settings },
      { topic: 'dead', partitions: 6, settings },
    ])
  })

  it('are all made on the embedded log', async () => {
    const topics = new FakeTopics('embedded', {})
    expect(await problems(topics, topicsConfig({ kafka: null }))).toEqual([])
    await ensureTopics(topics.log, topicsConfig({ kafka: null }))
    expect(topics.created.map((spec) => spec.topic).sort()).toEqual(Object.keys(ALL).sort())
    expect(topics.created.every((spec) => spec.partitions === 4)).toBe(true)
  })

  it('are a problem on the embedded log before they are made, where they would not keep what is needed', async () => {
    const topics = new FakeTopics('embedded', {})
    const found = await problems(topics, topicsConfig({ kafka: null, retentionMs: 60_000 }))
    const inputs = ['views', 'clicks', 'likes'].map((topic) =>
      expect.stringContaining(`topic ${topic}: retention.ms is`),
    )
    expect(found).toEqual(expect.arrayContaining(inputs))
  })

  it('get as many partitions as those that are there, whatever the configuration says by now', async () => {
    const topics = new FakeTopics('embedded', { clicks: 9 })
    await ensureTopics(topics.log, topicsConfig({ kafka: null }))
    expect(topics.created.every((spec) => spec.partitions === 9)).toBe(true)
  })
})

describe('partition counts', () => {
  it('must be those of the first source, for sources and outputs', async () => {
    const topics = new FakeTopics('kafka', { ...ALL, clicks: 7, samples: 12 })
    expect(await problems(topics)).toEqual([
      expect.stringContaining('topic clicks has 7 partitions where views has 6'),
      expect.stringContaining('topic samples has 12 partitions where views has 6'),
    ])
    await expect(ensureTopics(topics.log, topicsConfig())).rejects.toThrow(SetupError)
  })
})

describe('settings of sources', () => {
  it('must keep events for as long as they may be needed', async () => {
    // 1 h and 14 ms: window, disorder, lateness, tolerance, remembered views.
    const messages = await problems(withSettings('views', { 'retention.ms': '3600013' }))
    expect(messages).toEqual([
      expect.stringContaining('retention.ms is 3600013, and an event may be needed for 3600014'),
    ])
    expect(await problems(withSettings('views', { 'retention.ms': '3600014' }))).toEqual([])
    expect(await problems(withSettings('views', { 'retention.ms': '-1' }))).toEqual([])
  })

  it('are warned of where they hardly keep them, or delete by size', async () => {
    expect(await warnings(withSettings('clicks', { 'retention.ms': '3700000' }))).toHaveLength(1)
    expect(await warnings(withSettings('clicks', { 'retention.bytes': '1000000' }))).toEqual([
      expect.stringContaining('retention.bytes is 1000000'),
    ])
  })

  it('must not compact', async () => {
    expect(await problems(withSettings('likes', { 'cleanup.policy': 'compact,delete' }))).toHaveLength(1)
  })
})

describe('settings of outputs', () => {
  it.each<[string, Settings]>([
    ['compaction', { 'cleanup.policy': 'compact' }],
    ['compaction beside deletion', { 'cleanup.policy': 'delete,compact' }],
    ['short retention', { 'retention.ms': '60000' }],
    ['stamps that may not be old', { 'message.timestamp.before.max.ms': '60000' }],
    ['stamps that may not differ', { 'message.timestamp.difference.max.ms': '1000' }],
    ['stamps that may not be ahead', { 'message.timestamp.after.max.ms': '100' }],
    ['small batches', { 'max.message.bytes': '100000' }],
  ])('are a problem with %s', async (_, settings) => {
    for (const topic of ['samples', 'late', 'orphans', 'dead']) {
      expect(await problems(withSettings(topic, settings))).toEqual([expect.stringContaining(`topic ${topic}: `)])
    }
  })

  it('are warned of where they delete by size', async () => {
    for (const topic of ['samples', 'late', 'orphans', 'dead']) {
      expect(await warnings(withSettings(topic, { 'retention.bytes': '1000000' }))).toEqual([
        expect.stringContaining(`topic ${topic}: retention.bytes is 1000000`),
      ])
    }
  })

  it('may limit stamps where the broker sets them', async () => {
    const settings = { 'message.timestamp.type': 'LogAppendTime', 'message.timestamp.before.max.ms': '1' }
    expect(await problems(withSettings('samples', settings))).toEqual([])
  })

  it('must keep dead letters for as long as recovery reads them back', async () => {
    const settings = { 'retention.ms': '7200000' }
    const config = topicsConfig({ withinMs: 10_000_000 })
    expect(await problems(withSettings('samples', settings), config)).toEqual([])
    expect(await problems(withSettings('dead', settings), config)).toHaveLength(1)
  })

  it('are not judged where they may not be read, and that is a warning', async () => {
    const topics = new FakeTopics('kafka', ALL)
    const bare = {
      ...topics.log,
      topics: async (names: readonly string[]) =>
        (await topics.log.topics(names)).map((info) => ({ ...info, settings: new Map() })),
    }
    const findings = await checkTopics(bare, topicsConfig())
    expect(findings.filter((finding) => finding.state === 'problem')).toEqual([])
    const told = findings.filter((finding) => finding.state === 'warning')
    expect(told.map(({ subject }) => subject)).toEqual(Object.keys(ALL))
    for (const { message } of told) expect(message).toContain('could not be read (DescribeConfigs')
    for (const { message } of told.slice(3)) expect(message).toContain('default of max.message.bytes (1048588) counts')
  })
})
