/**
 * The configuration after checking: durations in milliseconds, sizes in bytes, files read, defaults filled in.
 * `pipeline` is the same on every node and is fingerprinted; `node` is one process's own.
 */
export interface Pipeline {
  readonly name: string
  /**
   * The views first, then the engagement topics in their order; with `repartition` there may be several of views.
   * Indices into this list number the sources.
   */
  readonly sources: readonly Source[]
  /** Indices of sources by the section that defines them, the views first: topics of one section have all else in common. */
  readonly sections: readonly (readonly number[])[]
  readonly labels: readonly Label[]
  readonly time: TimeRules
  /** The consolidated topic that the sources are rewritten into, keyed by user, and that is joined in their stead. */
  readonly repartition?: { readonly topic: string; readonly partitions?: number }
  readonly onMiskeyed: 'stop' | 'deadLetter'
  readonly createTopics: boolean
  readonly sinks: readonly SinkSpec[]
  /** That sinks name: each must be the one that the pipeline makes (see cluster/loadToRun.ts). */
  readonly sampleSchemas: readonly SampleSchema[]
  readonly sideOutputs: { readonly late: string; readonly orphans: string; readonly deadLetters: string }
  readonly delivery: 'at-least-once' | 'exactly-once'
  readonly limits: DecodeLimits
  /** SHA-256 (hex) over what must be the same on every node. */
  readonly fingerprint: string
  /** By key of pipeline.yaml, of what the fingerprint covers: in which keys two pipelines differ. */
  readonly digests: Readonly<Record<string, string>>
}

export interface Source {
  readonly role: 'views' | 'engagements'
  readonly topic: string
  readonly format: Format
  readonly fields: FieldMap
}

export type Format =
  | { readonly type: 'avro'; readonly schema: AvroSchema; readonly schemaFile: string }
  | { readonly type: 'avro'; readonly registry: Registry }
  | { readonly type: 'json'; readonly schema?: AvroSchema; readonly schemaFile?: string }

export interface Registry {
  readonly url: string
  readonly username?: string
  readonly password?: string
}

/** A parsed Avro schema, as JSON. */
export type AvroSchema = string | readonly unknown[] | { readonly [key: string]: unknown }

export type TimeUnit = 's' | 'ms' | 'us'

/** Paths of fields, outermost first: `meta.user` is ['meta', 'user']. */
export interface FieldMap {
  readonly viewId?: readonly string[]
  readonly userId: readonly string[]
  readonly itemId: readonly string[]
  /** Without a unit: the schema's logical type decides, else milliseconds; ISO-8601 strings in JSON. */
  readonly time: { readonly path: readonly string[]; readonly unit?: TimeUnit }
  readonly engagementId?: readonly string[]
  readonly type?: { readonly path: readonly string[] } | { readonly const: string }
  readonly value?: readonly string[]
}

export type Fold = 'any' | 'first' | 'last' | 'max' | 'sum' | 'count'

export interface Label {
  readonly name: string
  readonly on: string
  readonly withinMs: number
  readonly fold: Fold
  /** null: the field is nullable and null where nothing counted. */
  readonly default: number | null
}

export interface TimeRules {
  readonly basis: 'event' | 'arrival'
  readonly outOfOrdernessMs: number
  readonly allowedLatenessMs: number
  readonly idleAfterMs: number
  readonly idle: 'follow' | 'ignore'
  /** Infinity: off. */
  readonly maxClockSkewMs: number
  /** Infinity: off. */
  readonly alignWithinMs: number
  readonly clockSkewToleranceMs: number
  readonly rememberSealedMs: number
}

export type Compression = 'none' | 'lz4' | 'gzip' | 'zstd' | 'snappy'

export type SinkSpec =
  | { readonly type: 'kafka'; readonly topic: string; readonly format: SampleFormat; readonly compression: Compression }
  | {
      readonly type: 'file'
      readonly format: 'avro' | 'jsonl'
      readonly folder: string
      readonly compression: 'none' | 'deflate'
      readonly rollBytes: number
      readonly rollEveryMs: number
    }

/** A sample schema that users keep in a file, and the key that names it. */
export interface SampleSchema {
  readonly key: string
  readonly schema: AvroSchema
  readonly schemaFile: string
}

export type SampleFormat =
  | { readonly type: 'avro' }
  | { readonly type: 'avro'; readonly registry: Registry }
  | { readonly type: 'json' }

/** Checked before anything is decoded. */
export interface DecodeLimits {
  readonly inflatedBytes: number
  readonly recordBytes: number
  readonly items: number
  readonly depth: number
  readonly stringBytes: number
}

export interface NodeConfig {
  /** Absent: the embedded log. */
  readonly kafka?: KafkaConfig
  readonly group: string
  readonly dataDir: string
  readonly control: ControlConfig
  readonly memory: {
    /** Pending state, all partitions together. */
    readonly stateBytes: number
    /** Fetched and not yet joined, all partitions together. */
    readonly inFlightBytes: number
    /** Samples and side outputs made and not yet durable. */
    readonly outputBytes: number
    /** Live user actors, all partitions together. */
    readonly actorBytes: number
  }
  /** Observed delays of engagements: how far past the view (0: not at all), and what views remembered for it may take. */
  readonly delays: { readonly horizonMs: number; readonly memoryBytes: number }
  /** Where partitions' states are shared with other nodes; absent: nowhere. */
  readonly snapshots?: SnapshotsConfig
  readonly journal: boolean
  readonly embedded: {
    readonly fsyncMs: number
    readonly retentionMs: number
    readonly segmentBytes: number
    readonly partitions: number
  }
  readonly commitEveryMs: number
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' }
}

export interface ControlConfig {
  readonly host: string
  readonly port: number
  /** The name or address by which other nodes reach it; absent: where it listens. */
  readonly advertise?: string
  /** Absent: none is asked for, which loopback alone allows. */
  readonly tokens?: ControlTokens
  /** Whether ids are shown in full to privileged tokens alone. */
  readonly mask: boolean
  /** Of one address in one role. */
  readonly requestsPerS: number
}

/** By role; a role without a token is nobody's. */
export interface ControlTokens {
  readonly read: readonly string[]
  readonly operate: readonly string[]
  readonly privileged: readonly string[]
}

export interface SnapshotsConfig {
  readonly to: { readonly type: 'folder'; readonly folder: string } | { readonly type: 'kafka'; readonly topic: string }
  readonly everyMs: number
  /** Captured and not yet written, a node. */
  readonly memoryBytes: number
}

export interface KafkaConfig {
  readonly brokers: readonly string[]
  readonly ssl?:
    | boolean
    | { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly rejectUnauthorized?: boolean }
  readonly sasl?: SaslConfig
  readonly sessionTimeoutMs: number
}

export type SaslConfig =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: string }
