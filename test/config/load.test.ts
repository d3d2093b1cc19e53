import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { differingKeys } from '../../src/config/fingerprint.ts'
import { loadConfig } from '../../src/config/load.ts'
import { BASE, ConfigFolder } from './configFolder.ts'

let folder: ConfigFolder
beforeEach(() => {
  folder = new ConfigFolder()
})
afterEach(() => folder.remove())

describe('what is left out has its documented default', () => {
  test('in the pipeline', () => {
    folder.write()
    const { pipeline } = folder.load()
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
    folder.write()
    expect(folder.load().node).toEqual({
      group: 'postview-feed',
      dataDir: 'data',
      control: { host: '127.0.0.1', port: 7400, mask: false, requestsPerS: 200 },
      memory: { stateBytes: 512 << 20, inFlightBytes: 64 << 20, outputBytes: 64 << 20, actorBytes: 256 << 20 },
      delays: { horizonMs: 86_400_000, memoryBytes: 32 << 20 },
      journal: true,
      embedded: { fsyncMs: 5, retentionMs: 7 * 86_400_000, segmentBytes: 64 << 20, partitions: 4 },
      commitEveryMs: 1000,
      log: { level: 'info' },
    })
  })
})

describe('field mappings', () => {
  test('name fields, nested fields by a dotted path, a time unit and a constant type', () => {
    folder.write({
      'sources.views.fields': { userId: 'meta.user', itemId: 'item', time: { field: 'at.s', unit: 's' } },
      'sources.engagements.0.fields.type': { const: 'click' },
      'sources.engagements.0.fields.engagementId': 'id',
    })
    const [views, engagements] = folder.load().pipeline.sources
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
    folder.write({ labels: { zebra: label, apple: label, mango: label } })
    expect(folder.load().pipeline.labels.map((it) => it.name)).toEqual(['zebra', 'apple', 'mango'])
  })

  test('let a label count where one source of several carries what it needs', () => {
    const source = parse(BASE).sources.engagements[0]
    const { value, ...bare } = source.fields
    const of = (type: string) => ({ ...source, topic: type, fields: { ...bare, type: { const: type } } })
    const watch = of('watch')
    const rated = { labels: { watch: { on: 'watch', within: '1m', fold: 'max' } } }
    folder.write({ ...rated, 'sources.engagements': [of('click'), watch, { ...source, topic: 'all' }] })
    expect(folder.load().pipeline.labels).toHaveLength(1)
    const valued = { ...of('click'), fields: { ...of('click').fields, value } }
    folder.write({ ...rated, 'sources.engagements': [valued, watch] })
    expect(folder.refusal().key).toBe('labels.watch.fold')
    folder.write({ 'labels.click.fold': 'count', 'sources.engagements': [of('click')] })
    expect(folder.load().pipeline.labels).toHaveLength(1)
  })

  test('off switches the clock-skew quarantine and the alignment off', () => {
    folder.write({ time: { maxClockSkew: 'off', alignWithin: 'off' } })
    expect(folder.load().pipeline.time).toMatchObject({
      maxClockSkewMs: Number.POSITIVE_INFINITY,
      alignWithinMs: Number.POSITIVE_INFINITY,
    })
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
    const root = folder.path
    writeSchema(root)
    folder.path = join(root, 'config', 'kafka')
    mkdirSync(folder.path, { recursive: true })
    folder.write(change)
    expect(folder.load().pipeline.sources[0].format).toEqual({
      type: 'avro',
      schema: SCHEMA,
      schemaFile: join(root, 'schemas', 'v.avsc'),
    })
    writeSchema(folder.path)
    expect(folder.load().pipeline.sources[0].format).toMatchObject({
      schemaFile: join(folder.path, 'schemas', 'v.avsc'),
    })
    folder.path = root
  })

  test('must hold the mapped fields', () => {
    writeSchema(folder.path)
    folder.write({
      ...change,
      'sources.views.fields': { ...fields, userId: 'meta.usr', time: { field: 'ts', unit: 's' } },
    })
    expect(folder.refusal().problems.map((it) => [it.key, it.value])).toEqual([
      ['sources.views.fields.userId', 'meta.usr'],
      ['sources.views.fields.time', 'ts'],
    ])
  })

  test('let a label count a type that one of the branches of its field can hold, and no other', () => {
    const kind = { type: 'enum', name: 'Kind', symbols: ['click', 'like'] }
    const of = (type: unknown, on: string) => {
      const others = ['user_id', 'item_id', 'value'].map((name) => ({ name, type: ['null', 'double', 'string'] }))
      const time = { name: 'event_time', type: 'long' }
      writeSchema(folder.path, { type: 'record', name: 'E', fields: [...others, time, { name: 'type', type }] })
      folder.write({
        'sources.engagements.0.format': { type: 'avro', schema: 'schemas/v.avsc' },
        'labels.click.on': on,
      })
    }
    for (const type of [kind, ['null', kind]]) {
      of(type, 'like')
      expect(folder.load().pipeline.labels[0].on).toBe('like')
      of(type, 'share')
      expect(folder.refusal().problems.map((it) => [it.key, it.value])).toEqual([['labels.click.on', 'share']])
    }
    of([kind, 'string'], 'share')
    expect(folder.load().pipeline.labels[0].on).toBe('share')
  })

  test('that are no schemas are refused', () => {
    folder.write(change)
    writeSchema(folder.path, '{')
    expect(folder.refusal().message).toMatch(/sources\.views\.format\.schema: not an Avro schema/)
    writeSchema(folder.path, { type: 'record', name: 'V', fields: [{ name: 'x', type: 'strin' }] })
    expect(folder.refusal().message).toMatch(/not an Avro schema/)
    writeSchema(folder.path, '"string"')
    expect(folder.refusal().message).toMatch(/must be a record/)
  })
})

describe('the fingerprint', () => {
  const of = (changes: Record<string, unknown>) => {
    folder.write(changes)
    return folder.load().pipeline.fingerprint
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

  test('comes with digests that name the keys in which two pipelines differ', () => {
    const digestsOf = (changes: Record<string, unknown>) => {
      folder.write(changes)
      return folder.load().pipeline.digests
    }
    const base = digestsOf({})
    expect(differingKeys(base, digestsOf({ createTopics: true }))).toEqual([])
    expect(differingKeys(base, digestsOf({ 'labels.click.within': '11m' }))).toEqual([
      'labels (the longest within)',
      'labels.click',
    ])
    expect(differingKeys(base, digestsOf({ time: { allowedLateness: '1s' } }))).toEqual(['time.allowedLateness'])
    expect(differingKeys(base, digestsOf({ limits: { depth: 5 } }))).toEqual(['limits.depth'])
    const added = digestsOf({ 'labels.buy': { on: 'buy', within: '1s' } })
    expect(differingKeys(base, added)).toEqual(['labels (their order)', 'labels.buy'])
    const fields = digestsOf({ 'sources.views.fields.userId': 'uid' })
    expect(differingKeys(base, fields)).toEqual(['sources.views.fields'])
    for (const digest of Object.values(base)) expect(digest).toMatch(/^[0-9a-f]{8}$/)
  })

  test('covers what a schema says and not where it lies', () => {
    const schema = (doc: string) =>
      JSON.stringify({ type: 'record', name: 'V', username: doc, fields: [{ name: 'u', type: 'string' }] })
    const change = (name: string) => ({
      'sources.views.format': { type: 'avro', schema: name },
      'sources.views.fields': { userId: 'u', itemId: 'u', time: 'u' },
    })
    writeFileSync(join(folder.path, 'a.avsc'), schema('1'))
    writeFileSync(join(folder.path, 'b.avsc'), schema('1'))
    writeFileSync(join(folder.path, 'c.avsc'), schema('2'))
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
