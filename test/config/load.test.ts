import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problem.ts'

const BASE = `
name: feed
sources:
  views:
    topic: views
    format: { type: json }
    fields: { viewId: view_id, userId: user_id, itemId: item_id, time: event_time }
  engagements:
    - topic: engagements
      format: { type: json }
      fields: { userId: user_id, itemId: item_id, time: event_time, type: type, value: value }
labels:
  click: { on: click, within: 10m }
sinks:
  - { type: kafka, topic: samples }
`

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postview-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The base configuration with values put at dotted paths; undefined takes a key away. */
function write(changes: Record<string, unknown> = {}, node?: string): void {
  const raw = parse(BASE)
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split('.')
    let at = raw
    for (const part of parts.slice(0, -1)) at = at[part] ??= {}
    if (value === undefined) delete at[parts.at(-1)!]
    else at[parts.at(-1)!] = value
  }
  writeFileSync(join(folder, 'pipeline.yaml'), stringify(raw))
  if (node !== undefined) writeFileSync(join(folder, 'node.yaml'), node)
}

function refusal(env: NodeJS.ProcessEnv = {}): ConfigError {
  try {
    loadConfig(folder, env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

const load = (env: NodeJS.ProcessEnv = {}) => loadConfig(folder, env)

describe('what is left out has its documented default', () => {
  test('in the pipeline', () => {
    write()
    const { pipeline } = load()
    expect(pipeline).toMatchObject({
      name: 'feed',
      onMiskeyed: 'stop',
      createTopics: false,
      delivery: 'at-least-once',
      sideOutputs: { late: 'samples-late', orphans: 'samples-orphans', deadLetters: 'samples-dead-letters' },
      limits: { inflatedBytes: 64 << 20, recordBytes: 1 << 20, items: 100_000, depth: 64, stringBytes: 1 << 20 },
      labels: [{ name: 'click', on: 'click', withinMs: 600_000, fold: 'any', default: 0 }],
      sinks: [{ type: 'kafka', topic: 'samples', format: { type: 'avro' }, compression: 'lz4' }],
      time: {
        basis: 'event',
        outOfOrdernessMs: 5000,
        allowedLatenessMs: 15_000,
        idleAfterMs: 5000,
        idle: 'follow',
        maxClockSkewMs: 300_000,
        alignWithinMs: 60_000,
        clockSkewToleranceMs: 0,
        rememberSealedMs: 60_000,
      },
    })
  })

  test('in the node, whose file may be missing', () => {
    write()
    expect(load().node).toEqual({
      group: 'postview-feed',
      dataDir: 'data',
      control: { host: '127.0.0.1', port: 7400 },
      memory: { stateBytes: 512 << 20, inFlightBytes: 64 << 20, outputBytes: 64 << 20, actorBytes: 256 << 20 },
      journal: true,
      embedded: { fsyncMs: 5, retentionMs: 7 * 86_400_000, segmentBytes: 64 << 20, partitions: 4 },
      commitEveryMs: 1000,
      log: { level: 'info' },
    })
  })
})

describe('field mappings', () => {
  test('name fields, nested fields by a dotted path, a time unit and a constant type', () => {
    write({
      'sources.views.fields': { userId: 'meta.user', itemId: 'item', time: { field: 'at.s', unit: 's' } },
      'sources.engagements.0.fields.type': { const: 'click' },
      'sources.engagements.0.fields.engagementId': 'id',
    })
    const [views, engagements] = load().pipeline.sources
    expect(views).toMatchObject({ role: 'views', topic: 'views', format: { type: 'json' } })
    expect(views.fields).toEqual({ userId: ['meta', 'user'], itemId: ['item'], time: { path: ['at', 's'], unit: 's' } })
    expect(engagements.fields).toEqual({
      engagementId: ['id'],
      userId: ['user_id'],
      itemId: ['item_id'],
      time: { path: ['event_time'] },
      type: { const: 'click' },
      value: ['value'],
    })
  })

  test('labels keep the order in which they are written', () => {
    const label = { on: 'x', within: '1s' }
    write({ labels: { zebra: label, apple: label, mango: label } })
    expect(load().pipeline.labels.map((it) => it.name)).toEqual(['zebra', 'apple', 'mango'])
  })

  test('off switches the clock-skew quarantine and the alignment off', () => {
    write({ time: { maxClockSkew: 'off', alignWithin: 'off' } })
    expect(load().pipeline.time).toMatchObject({
      maxClockSkewMs: Number.POSITIVE_INFINITY,
      alignWithinMs: Number.POSITIVE_INFINITY,
    })
  })
})

describe('what is wrong is refused with the key named', () => {
  const label = { on: 'click', within: '10m' }
  const cases: [what: string, changes: Record<string, unknown>, key: string, message: RegExp][] = [
    ['an early emission', { emit: { policy: 'early' } }, 'emit.policy', /not built yet/],
    ['corrections', { emit: { policy: 'correct' } }, 'emit.policy', /not built yet/],
    ['an unknown emission', { emit: { policy: 'often' } }, 'emit.policy', /must be final/],
    ['down-sampling', { negatives: { keep: 0.5 } }, 'negatives.keep', /not built yet/],
    ['parquet', { sinks: [{ type: 'file', format: 'parquet', folder: 'x' }] }, 'sinks.0.format', /not built yet/],
    [
      'deflated lines',
      { sinks: [{ type: 'file', format: 'jsonl', folder: 'x', compression: 'deflate' }] },
      'sinks.0.compression',
      /avro only/,
    ],
    ['exactly-once', { delivery: 'exactly-once' }, 'delivery', /not built yet/],
    ['a list of topics', { 'sources.views.topic': ['a', 'b'] }, 'sources.views.topic', /not built yet/],
    [
      'an unknown fold',
      { labels: { click: { ...label, fold: 'mean' } } },
      'labels.click.fold',
      /first, last, max, sum or count/,
    ],
    ['an unknown idle', { time: { idle: 'wait' } }, 'time.idle', /follow or ignore/],
    ['an unknown sink', { sinks: [{ type: 'http' }] }, 'sinks.0.type', /kafka or file/],
    ['no label', { labels: {} }, 'labels', /at least one label/],
    ['no labels', { labels: undefined }, 'labels', /missing/],
    ['no sink', { sinks: [] }, 'sinks', /at least one sink/],
    ['no engagement topic', { 'sources.engagements': [] }, 'sources.engagements', /at least one topic/],
    [
      'a label that is no Avro name',
      { labels: { 'watch-ms': label } },
      'labels.watch-ms',
      /letters, digits and underscore/,
    ],
    ['a window of nothing', { labels: { click: { ...label, within: '0s' } } }, 'labels.click.within', /greater than 0/],
    ['a window below nothing', { labels: { click: { ...label, within: '-5m' } } }, 'labels.click.within', /duration/],
    [
      'a window without a unit',
      { labels: { click: { ...label, within: 600 } } },
      'labels.click.within',
      /duration with its unit/,
    ],
    ['a fraction for any', { labels: { click: { ...label, default: 0.5 } } }, 'labels.click.default', /whole number/],
    [
      'a fraction for count',
      { labels: { click: { ...label, fold: 'count', default: 1.5 } } },
      'labels.click.default',
      /whole/,
    ],
    [
      'a count beyond an int',
      { labels: { click: { ...label, fold: 'count', default: 2 ** 31 } } },
      'labels.click.default',
      /whole/,
    ],
    ['an unknown key', { 'sources.views.partitions': 3 }, 'sources.views.partitions', /no such key/],
    ['an unknown key at the top', { lables: {} }, 'lables', /no such key/],
    ['a type for views', { 'sources.views.fields.type': 'type' }, 'sources.views.fields.type', /no such key/],
    ['no user', { 'sources.views.fields.userId': undefined }, 'sources.views.fields.userId', /missing/],
    [
      'no type',
      { 'sources.engagements.0.fields.type': undefined },
      'sources.engagements.0.fields.type',
      /missing|must be a field/,
    ],
    ['a broken path', { 'sources.views.fields.userId': 'a..b' }, 'sources.views.fields.userId', /dotted path/],
    [
      'an unknown unit',
      { 'sources.views.fields.time': { field: 't', unit: 'min' } },
      'sources.views.fields.time.unit',
      /s, ms or us/,
    ],
    [
      'two sources on one topic',
      { 'sources.engagements.0.topic': 'views' },
      'sources.engagements.0.topic',
      /sources.views.topic/,
    ],
    [
      'an output that is an input',
      { sinks: [{ type: 'kafka', topic: 'views' }] },
      'sinks.0.topic',
      /sources.views.topic/,
    ],
    [
      'a side output that is an input',
      { sideOutputs: { late: 'engagements' } },
      'sideOutputs.late',
      /sources.engagements.0.topic/,
    ],
    [
      'two side outputs on one topic',
      { sideOutputs: { late: 'x', orphans: 'x' } },
      'sideOutputs.orphans',
      /sideOutputs.late/,
    ],
    ['avro without a schema', { 'sources.views.format': { type: 'avro' } }, 'sources.views.format', /one of schema/],
    [
      'a schema that is not there',
      { 'sources.views.format': { type: 'avro', schema: 'no.avsc' } },
      'sources.views.format.schema',
      /no such schema/,
    ],
    [
      'a registry for json',
      { 'sources.views.format': { type: 'json', registry: 'http://a' } },
      'sources.views.format.registry',
      /avro only/,
    ],
    ['a topic with a blank', { 'sources.views.topic': 'a b' }, 'sources.views.topic', /name of a topic/],
    ['a limit of nothing', { limits: { depth: 0 } }, 'limits.depth', /greater than 0/],
    ['a name with a slash', { name: 'a/b' }, 'name', /letters, digits/],
  ]
  test.each(cases)('%s', (_what, changes, key, message) => {
    write(changes)
    const error = refusal()
    expect(error.problems.map((it) => it.key)).toEqual([key])
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ file: join(folder, 'pipeline.yaml'), key, exitCode: 2 })
    expect(error.message.split('\n')).toHaveLength(1)
  })

  test('a key named __proto__, which would otherwise vanish', () => {
    write()
    writeFileSync(join(folder, 'pipeline.yaml'), `${BASE}time: { __proto__: { idle: ignore } }\n`)
    expect(refusal().key).toBe('time.__proto__')
  })

  test('more sources than a commit can speak of', () => {
    const source = parse(BASE).sources.engagements[0]
    write({ 'sources.engagements': Array.from({ length: 16 }, (_, i) => ({ ...source, topic: `e${i}` })) })
    expect(refusal().message).toMatch(/sources\.engagements: at most 15 topics/)
    write({ 'sources.engagements': Array.from({ length: 15 }, (_, i) => ({ ...source, topic: `e${i}` })) })
    expect(load().pipeline.sources).toHaveLength(16)
  })

  test('all problems are listed, of both files, one line each with file, key and value', () => {
    write({ 'labels.click.within': 'soon', delivery: 'twice' }, 'commitEvery: 0s\ncontrol: { port: 70000 }\n')
    const lines = refusal().message.split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toContain(`${join(folder, 'pipeline.yaml')}: labels.click.within: `)
    expect(lines[0]).toContain('(is "soon")')
    expect(lines[2]).toContain(`${join(folder, 'node.yaml')}: control.port: `)
  })

  test('a missing folder, a file that is not YAML and one that is a list', () => {
    expect(refusal().message).toMatch(/pipeline\.yaml: no such file/)
    writeFileSync(join(folder, 'pipeline.yaml'), 'name: [feed\nlabels: }\n')
    expect(refusal().message).toMatch(/pipeline\.yaml: not YAML/)
    writeFileSync(join(folder, 'pipeline.yaml'), '- 1\n')
    expect(refusal().problems[0].file).toMatch(/pipeline\.yaml$/)
    write({}, '- 1\n')
    expect(refusal().message).toMatch(/node\.yaml/)
  })
})

describe('schema files', () => {
  const SCHEMA = {
    type: 'record',
    name: 'V',
    fields: [
      { name: 'view_id', type: 'string' },
      { name: 'meta', type: ['null', { type: 'record', name: 'M', fields: [{ name: 'user', type: 'string' }] }] },
      { name: 'item_id', type: 'string' },
      { name: 'event_time', type: 'long' },
    ],
  }
  const fields = { userId: 'meta.user', itemId: 'item_id', time: 'event_time' }
  const change = { 'sources.views.format': { type: 'avro', schema: 'schemas/v.avsc' }, 'sources.views.fields': fields }

  function writeSchema(at: string, schema: unknown = SCHEMA): void {
    mkdirSync(join(at, 'schemas'), { recursive: true })
    writeFileSync(join(at, 'schemas', 'v.avsc'), typeof schema === 'string' ? schema : JSON.stringify(schema))
  }

  test('are found beside the configuration and in the folders above it', () => {
    const root = folder
    writeSchema(root)
    folder = join(root, 'config', 'kafka')
    mkdirSync(folder, { recursive: true })
    write(change)
    expect(load().pipeline.sources[0].format).toEqual({
      type: 'avro',
      schema: SCHEMA,
      schemaFile: join(root, 'schemas', 'v.avsc'),
    })
    writeSchema(folder)
    expect(load().pipeline.sources[0].format).toMatchObject({ schemaFile: join(folder, 'schemas', 'v.avsc') })
    folder = root
  })

  test('must hold the mapped fields', () => {
    writeSchema(folder)
    write({ ...change, 'sources.views.fields': { ...fields, userId: 'meta.usr', time: { field: 'ts', unit: 's' } } })
    expect(refusal().problems.map((it) => [it.key, it.value])).toEqual([
      ['sources.views.fields.userId', 'meta.usr'],
      ['sources.views.fields.time', 'ts'],
    ])
  })

  test('that are no schemas are refused', () => {
    write(change)
    writeSchema(folder, '{')
    expect(refusal().message).toMatch(/sources\.views\.format\.schema: not an Avro schema/)
    writeSchema(folder, { type: 'record', name: 'V', fields: [{ name: 'x', type: 'strin' }] })
    expect(refusal().message).toMatch(/not an Avro schema/)
    writeSchema(folder, '"string"')
    expect(refusal().message).toMatch(/must be a record/)
  })
})

describe('the environment overrides node.yaml', () => {
  test('by the path of the key, upper-cased', () => {
    write({}, 'dataDir: here\nmemory: { state: 1GiB, output: 1MiB }\n')
    const { node } = load({
      POSTVIEW_KAFKA_BROKERS: 'a:9092, b:9093',
      POSTVIEW_DATA_DIR: 'there',
      POSTVIEW_CONTROL_PORT: '0',
      POSTVIEW_MEMORY_STATE: '64MiB',
      POSTVIEW_MEMORY_IN_FLIGHT: '8MiB',
      POSTVIEW_COMMIT_EVERY: '250ms',
      POSTVIEW_JOURNAL: 'false',
      POSTVIEW_KAFKA_SSL: 'true',
      POSTVIEW_EMBEDDED_PARTITIONS: '7',
      POSTVIEW_LOG_LEVEL: '',
      HOME: 'x',
    })
    expect(node).toMatchObject({
      kafka: { brokers: ['a:9092', 'b:9093'], ssl: true, sessionTimeoutMs: 30_000 },
      dataDir: 'there',
      control: { port: 0 },
      memory: { stateBytes: 64 << 20, inFlightBytes: 8 << 20, outputBytes: 1 << 20 },
      commitEveryMs: 250,
      journal: false,
      embedded: { partitions: 7 },
      log: { level: 'info' },
    })
  })

  test('but a variable of a section that names no key is refused, and so are wrong values', () => {
    write()
    expect(refusal({ POSTVIEW_KAFKA_BROKER: 'a:1' }).message).toMatch(
      /environment: POSTVIEW_KAFKA_BROKER: names no key/,
    )
    expect(refusal({ POSTVIEW_CONTROL_PORT: 'x' }).message).toMatch(
      /POSTVIEW_CONTROL_PORT: must be a number \(is "x"\)/,
    )
    expect(refusal({ POSTVIEW_JOURNAL: 'yes' }).message).toMatch(/POSTVIEW_JOURNAL: must be true or false/)
    expect(refusal({ POSTVIEW_COMMIT_EVERY: 'often' }).key).toBe('commitEvery')
  })
})

describe('secrets', () => {
  const sasl = (password: string) =>
    `kafka: { brokers: ['b:1'], sasl: { mechanism: scram-sha-512, username: env:WHO, password: ${password} } }\n`

  test('come from the environment and from files', () => {
    writeFileSync(join(folder, 'pw'), 'swordfish\n')
    write({}, sasl('file:pw'))
    expect(load({ WHO: 'me' }).node.kafka?.sasl).toEqual({
      mechanism: 'scram-sha-512',
      username: 'me',
      password: 'swordfish',
    })
    write({}, sasl('env:PW'))
    expect(load({ WHO: 'me', PW: 'x' }).node.kafka?.sasl).toMatchObject({ password: 'x' })
    expect(load({ WHO: 'me', POSTVIEW_KAFKA_SASL_PASSWORD: 'y' }).node.kafka?.sasl).toMatchObject({ password: 'y' })
  })

  test('written out in the file are refused, without being repeated in the message', () => {
    write({}, sasl('swordfish'))
    const error = refusal({ WHO: 'me' })
    expect(error.message).toMatch(/kafka\.sasl\.password: must be env:NAME or file:PATH/)
    expect(JSON.stringify(error) + error.message).not.toContain('swordfish')
    write({ 'sources.views.format': { type: 'avro', registry: 'http://me:swordfish@host' } })
    expect(refusal({}).message).not.toContain('swordfish')
  })

  test('are not repeated where the key is misspelled or the section misplaced', () => {
    const wrong = [
      `kafka: { brokers: ['b:1'], sasl: { mechanism: plain, username: swordfish, pasword: swordfish } }`,
      `kafka: { brokers: ['b:1'], sasl: swordfish }`,
      `kakfa: { brokers: ['b:1'], sasl: { password: swordfish } }`,
      `kafka: { brokers: ['b:1'], password: swordfish, ssl: { key: [swordfish] } }`,
    ]
    for (const node of wrong) {
      write({}, node)
      const error = refusal()
      expect(JSON.stringify(error) + error.message).not.toContain('swordfish')
    }
  })

  test('that are missing are named', () => {
    write({}, sasl('env:PW'))
    expect(refusal({ WHO: 'me' }).message).toMatch(/kafka\.sasl\.password: the environment variable PW is not set/)
    write({}, sasl('file:nowhere'))
    expect(refusal({ WHO: 'me' }).message).toMatch(/the file nowhere cannot be read: ENOENT/)
  })

  test('of the schema registry are resolved and stay out of the fingerprint', () => {
    const registry = { url: 'http://r:8081', username: 'me', password: 'env:PW' }
    write({ 'sources.views.format': { type: 'avro', registry } })
    const one = load({ PW: '1' }).pipeline
    expect(one.sources[0].format).toEqual({
      type: 'avro',
      registry: { url: 'http://r:8081', username: 'me', password: '1' },
    })
    expect(load({ PW: '2' }).pipeline.fingerprint).toBe(one.fingerprint)
  })

  test('each SASL mechanism wants its own keys', () => {
    write({}, `kafka: { brokers: ['b:1'], sasl: { mechanism: oauthbearer, username: u } }\n`)
    expect(refusal().problems.map((it) => `${it.key} ${it.message}`)).toEqual([
      'kafka.sasl.username has no place in oauthbearer',
      'kafka.sasl.token is needed for oauthbearer',
    ])
  })
})

test('the control server stays on this machine', () => {
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'example.org']) {
    write({}, `control: { host: '${host}' }\n`)
    expect(refusal().message).toMatch(/control\.host: must be a loopback address/)
  }
  write({}, `control: { host: '::1' }\n`)
  expect(load().node.control.host).toBe('::1')
})

describe('the fingerprint', () => {
  const of = (changes: Record<string, unknown>) => {
    write(changes)
    return load().pipeline.fingerprint
  }

  test('is the same for what means the same', () => {
    const base = of({})
    expect(base).toMatch(/^[0-9a-f]{64}$/)
    expect(of({ 'labels.click.within': '600s', time: { outOfOrderness: '5000ms' }, createTopics: true })).toBe(base)
  })

  test('differs with every rule and with the order of labels', () => {
    const a = { on: 'a', within: '1s' }
    const all = [
      of({}),
      of({ 'labels.click.within': '11m' }),
      of({ 'labels.click.default': null }),
      of({ time: { maxClockSkew: 'off' } }),
      of({ 'sources.views.fields.userId': 'uid' }),
      of({ 'sources.views.fields.userId': 'u.id' }),
      of({ labels: { x: a, y: a } }),
      of({ labels: { y: a, x: a } }),
      of({ limits: { depth: 5 } }),
      of({ 'sinks.0.compression': 'gzip' }),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  test('covers what a schema says and not where it lies', () => {
    const schema = (doc: string) =>
      JSON.stringify({ type: 'record', name: 'V', username: doc, fields: [{ name: 'u', type: 'string' }] })
    const change = (name: string) => ({
      'sources.views.format': { type: 'avro', schema: name },
      'sources.views.fields': { userId: 'u', itemId: 'u', time: 'u' },
    })
    writeFileSync(join(folder, 'a.avsc'), schema('1'))
    writeFileSync(join(folder, 'b.avsc'), schema('1'))
    writeFileSync(join(folder, 'c.avsc'), schema('2'))
    expect(of(change('a.avsc'))).toBe(of(change('b.avsc')))
    expect(of(change('a.avsc'))).not.toBe(of(change('c.avsc')))
  })
})

describe('the configurations that come with the project', () => {
  test('are valid: config for the embedded log, config/kafka for brokers', () => {
    const embedded = loadConfig('config', {})
    const kafka = loadConfig('config/kafka', {})
    expect(embedded.node.kafka).toBeUndefined()
    expect(kafka.node.kafka?.brokers).toEqual(['localhost:9092'])
    expect(embedded.pipeline.fingerprint).toBe(kafka.pipeline.fingerprint)
    expect(embedded.pipeline.labels.map((it) => it.name)).toEqual(['click', 'like', 'share', 'watch_ms'])
  })
})
