import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { BASE, ConfigFolder } from './configFolder.ts'

let folder: ConfigFolder
beforeEach(() => {
  folder = new ConfigFolder()
})
afterEach(() => folder.remove())

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
    ['exactly-once without brokers', { delivery: 'exactly-once' }, 'delivery', /needs brokers/],
    [
      'files exactly once',
      { delivery: 'exactly-once', sinks: [{ type: 'file', folder: 'x' }] },
      'sinks.0.type',
      /only topics take part in a transaction/,
    ],
    ['a list of topics alone', { 'sources.views.topic': ['a', 'b'] }, 'sources.views.topic', /needs repartition/],
    [
      'an unknown fold',
      { labels: { click: { ...label, fold: 'mean' } } },
      'labels.click.fold',
      /first, last, max, sum or count/,
    ],
    [
      'a fold of values where the source maps none',
      {
        'labels.watch_ms': { on: 'watch', within: '10m', fold: 'max' },
        'sources.engagements.0.fields.value': undefined,
      },
      'labels.watch_ms.fold',
      /map fields\.value of an engagement source that carries watch.*"max"/,
    ],
    [
      'a label of a type that no source can carry',
      { 'sources.engagements.0.fields.type': { const: 'clik' } },
      'labels.click.on',
      /no engagement source can carry this type.*"click"/,
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
    [
      'a sample schema beside a registry',
      { 'sinks.0.format': { type: 'avro', schema: 'a', registry: 'http://a' } },
      'sinks.0.format',
      /one of schema/,
    ],
    [
      'a sample schema for lines',
      { sinks: [{ type: 'file', folder: 'x', format: { type: 'jsonl', schema: 'a' } }] },
      'sinks.0.format.schema',
      /avro only/,
    ],
    [
      'a sample schema that is not there',
      { 'sinks.0.format': { type: 'avro', schema: 'no.avsc' } },
      'sinks.0.format.schema',
      /no such schema file/,
    ],
    ['a topic with a blank', { 'sources.views.topic': 'a b' }, 'sources.views.topic', /name of a topic/],
    ['a limit of nothing', { limits: { depth: 0 } }, 'limits.depth', /greater than 0/],
    ['a name with a slash', { name: 'a/b' }, 'name', /letters, digits/],
  ]
  test.each(cases)('%s', (_what, changes, key, message) => {
    folder.write(changes)
    const error = folder.refusal()
    expect(error.problems.map((it) => it.key)).toEqual([key])
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ file: join(folder.path, 'pipeline.yaml'), key, exitCode: 2 })
    expect(error.message.split('\n')).toHaveLength(1)
  })

  test('a key named __proto__, which would otherwise vanish', () => {
    folder.write()
    writeFileSync(join(folder.path, 'pipeline.yaml'), `${BASE}time: { __proto__: { idle: ignore } }\n`)
    expect(folder.refusal().key).toBe('time.__proto__')
  })

  test.each([
    ['an alias without an anchor', 'time: { idle: *none }', 'time.idle', 'the alias *none has no anchor before it'],
    ['one in a list', 'sinks: [{ type: file, folder: [a, *none] }]', 'sinks.0.folder.1', 'has no anchor before it'],
    ['one before its anchor', 'a: *b\nb: &b 1', 'a', 'the alias *b has no anchor before it'],
    ['one for a key', 'emit: { *none : 1 }', 'emit.*none', 'has no anchor before it'],
    ['an alias within its anchor', 'time: &t { idle: follow, x: [*t] }', 'time.x.0', '*t stands within its own anchor'],
    ['more aliases than a person writes', `a: &a [1]\nb: [${'*a, '.repeat(101)}]`, '', 'Excessive alias count'],
  ])('%s', (_what, text, key, message) => {
    folder.write({}, `${text}\n`)
    const error = folder.refusal()
    expect(error).toMatchObject({ file: join(folder.path, 'node.yaml'), key, exitCode: 2 })
    expect(error.message).toContain(message)
    expect(error.problems).toHaveLength(1)
  })

  test('but an alias that stands for what was written before is as good as that', () => {
    folder.write({}, 'memory: { state: &size 64MiB, output: *size }\n')
    expect(folder.load().node.memory).toMatchObject({ stateBytes: 64 << 20, outputBytes: 64 << 20 })
  })

  test('more sources than a commit can speak of', () => {
    const source = parse(BASE).sources.engagements[0]
    folder.write({ 'sources.engagements': Array.from({ length: 16 }, (_, i) => ({ ...source, topic: `e${i}` })) })
    expect(folder.refusal().message).toMatch(/sources\.engagements: at most 15 topics/)
    folder.write({ 'sources.engagements': Array.from({ length: 15 }, (_, i) => ({ ...source, topic: `e${i}` })) })
    expect(folder.load().pipeline.sources).toHaveLength(16)
  })

  test('all problems are listed, of both files, one line each with file, key and value', () => {
    folder.write({ 'labels.click.within': 'soon', delivery: 'twice' }, 'commitEvery: 0s\ncontrol: { port: 70000 }\n')
    const lines = folder.refusal().message.split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toContain(`${join(folder.path, 'pipeline.yaml')}: labels.click.within: `)
    expect(lines[0]).toContain('(is "soon")')
    expect(lines[2]).toContain(`${join(folder.path, 'node.yaml')}: control.port: `)
  })

  test('a missing folder, a file that is not YAML and one that is a list', () => {
    expect(folder.refusal().message).toMatch(/pipeline\.yaml: no such file/)
    writeFileSync(join(folder.path, 'pipeline.yaml'), 'name: [feed\nlabels: }\n')
    expect(folder.refusal().message).toMatch(/pipeline\.yaml: not YAML/)
    writeFileSync(join(folder.path, 'pipeline.yaml'), '- 1\n')
    expect(folder.refusal().problems[0].file).toMatch(/pipeline\.yaml$/)
    folder.write({}, '- 1\n')
    expect(folder.refusal().message).toMatch(/node\.yaml/)
  })
})
