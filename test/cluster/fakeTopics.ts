/** A configuration and a log of which only the topics are real. */
import type { TopicsConfig } from '../../src/cluster/topics.ts'
import type { KafkaConfig, NodeConfig, Pipeline } from '../../src/config/model.ts'
import type { Log, TopicInfo, TopicSpec } from '../../src/log/port.ts'

const HOUR_MS = 3_600_000

const label = (withinMs: number) => ({ name: 'click', on: 'click', withinMs, fold: 'any', default: 0 }) as const

export function topicsConfig(
  given: { createTopics?: boolean; kafka?: Partial<KafkaConfig> | null; withinMs?: number; retentionMs?: number } = {},
): TopicsConfig {
  const pipeline = {
    createTopics: given.createTopics ?? false,
    sources: [{ topic: 'views' }, { topic: 'clicks' }, { topic: 'likes' }],
    labels: [label(1000), label(given.withinMs ?? HOUR_MS)],
    time: { outOfOrdernessMs: 5, allowedLatenessMs: 4, clockSkewToleranceMs: 3, rememberSealedMs: 2 },
    sinks: [{ type: 'kafka', topic: 'samples' }, { type: 'file' }],
    sideOutputs: { late: 'late', orphans: 'orphans', deadLetters: 'dead' },
  }
  const kafka = given.kafka === null ? undefined : { brokers: ['b1:9092', 'b2:9092'], ...given.kafka }
  const node = { kafka, embedded: { partitions: 4, retentionMs: given.retentionMs ?? 168 * HOUR_MS } }
  return { pipeline: pipeline as unknown as Pipeline, node: node as unknown as NodeConfig }
}

export type Settings = Readonly<Record<string, string>>

/** What a broker says of a topic that was made without any wishes. */
const DEFAULTS: Settings = {
  'cleanup.policy': 'delete',
  'retention.ms': '604800000',
  'retention.bytes': '-1',
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '3600000',
  'max.message.bytes': '1048588',
}

export class FakeTopics {
  readonly created: TopicSpec[] = []
  readonly log: Log
  private readonly topics = new Map<string, TopicInfo>()

  constructor(kind: Log['kind'], topics: Readonly<Record<string, number>>) {
    for (const [topic, partitions] of Object.entries(topics)) this.set(topic, partitions, {})
    this.log = {
      kind,
      topics: async (names: readonly string[]) => names.flatMap((name) => this.topics.get(name) ?? []),
      createTopics: async (specs: readonly TopicSpec[]) => {
        for (const spec of specs) {
          this.created.push(spec)
          this.set(spec.topic, spec.partitions, spec.settings ?? {})
        }
      },
    } as unknown as Log
  }

  set(topic: string, partitions: number, settings: Settings): this {
    this.topics.set(topic, { topic, partitions, settings: new Map(Object.entries({ ...DEFAULTS, ...settings })) })
    return this
  }
}

export const ALL = { views: 6, clicks: 6, likes: 6, samples: 6, late: 6, orphans: 6, dead: 6 }
