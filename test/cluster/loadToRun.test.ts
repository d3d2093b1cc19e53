/** A sink may name the samples' schema, as a source names its own: where it is another one, no node starts. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadToRun } from '../../src/cluster/loadToRun.ts'
import { sampleSchema } from '../../src/codec/sample.ts'
import type { AvroSchema } from '../../src/config/model.ts'
import { run } from '../cli/run.ts'
import { FakeRegistry } from '../codec/fakeRegistry.ts'
import { ConfigFolder } from '../config/configFolder.ts'

const IDS = ['view_id', 'user_id', 'item_id'].map((name) => ({ name, type: 'string' }))
const TIME = { type: 'long', logicalType: 'timestamp-millis' }
const VIEW = { type: 'record', name: 'shop.View', fields: [...IDS, { name: 'event_time', type: TIME }] }
const format = { type: 'avro', schema: 'sample.avsc' }
const NAMED = { sinks: [{ type: 'kafka', topic: 'samples', format }, { type: 'file', folder: 'x', format }] } // biome-ignore format: one line

let folder: ConfigFolder
beforeEach(() => {
  folder = new ConfigFolder()
  writeFileSync(join(folder.path, 'view.avsc'), JSON.stringify(VIEW))
})
afterEach(() => folder.remove())

const load = () => loadToRun(folder.path, {})

/** As `postview schema` makes it. */
function made(changes: object): AvroSchema {
  folder.write({ ...NAMED, ...changes, sinks: [{ type: 'kafka', topic: 'samples' }] })
  const { format: views } = folder.load().pipeline.sources[0]
  return sampleSchema(folder.load().pipeline, 'schema' in views && views.schema !== undefined ? views.schema : null)
}

function name(schema: AvroSchema, changes: object): void {
  writeFileSync(join(folder.path, 'sample.avsc'), JSON.stringify(schema))
  folder.write({ ...NAMED, ...changes })
}

const OF_FILE = { 'sources.views.format': { type: 'avro', schema: 'view.avsc' } }

describe('a sample schema that a sink names', () => {
  test('is taken where it is what the pipeline makes, however it is written', async () => {
    for (const changes of [{}, OF_FILE]) {
      const { namespace, name: own, fields, ...rest } = made(changes) as Record<string, unknown>
      name({ doc: 'ours', fields, name: `${namespace}.${own}`, ...rest } as AvroSchema, changes)
      const { pipeline } = await load()
      expect(pipeline.sinks).toMatchObject([{ format: { type: 'avro' } }, { format: 'avro' }])
      const { fingerprint } = pipeline
      folder.write({
        ...changes,
        sinks: [
          { ...NAMED.sinks[0], format: 'avro' },
          { ...NAMED.sinks[1], format: 'avro' },
        ],
      })
      expect((await load()).pipeline.fingerprint).toBe(fingerprint)
    }
  })

  const NULLABLE = { ...OF_FILE, 'labels.click.default': null }
  test.each([
    ['another type of a label', '"int"', '"long"', 'labels.type.click.type.1 is "long" and would be "int"'],
    ['no default', '{"name":"click","type":["null","int"],"default":null}', '{"name":"click","type":["null","int"]}', 'labels.type.click.default is missing and would be null'], // biome-ignore format: one line
    [
      'another name',
      '"name":"Sample"',
      '"name":"Samples"',
      'name is "postview.Samples" and would be "postview.Sample"',
    ],
    [
      'no logical type',
      JSON.stringify(TIME),
      '"long"',
      'view_time.type is "long" and would be {"type":"long","logical',
    ],
    ['a field less', ',{"name":"weight","type":"double"}', '', 'weight.name is "view" and would be "weight"'],
    ['another view', '"name":"shop.View"', '"name":"shop.Views"', 'view.type.name is "shop.Views"'],
  ])('with %s', async (_what, from, to, message) => {
    name(JSON.parse(JSON.stringify(made(NULLABLE)).replace(from, to)), NULLABLE)
    const error = await load().then(() => undefined, (thrown) => thrown) // biome-ignore format: one line
    expect(error).toMatchObject({ file: join(folder.path, 'pipeline.yaml'), key: 'sinks.0.format.schema', exitCode: 2 })
    expect(error.problems).toHaveLength(2)
    expect(error.message).toContain(message)
    expect(error.message).toContain(join(folder.path, 'sample.avsc'))
    expect(error.message).toContain('`postview schema`')
    await expect(run('check', '--config', folder.path)).rejects.toThrow('is not the schema of this pipeline')
    await expect(run('cluster', 'start', '--config', folder.path)).rejects.toThrow('is not the schema of this pipeline')
  })

  test('is compared with the newest schema of the views, where that is a registry’s', async () => {
    const registry = new FakeRegistry()
    await registry.start()
    registry.addVersion('views-value', JSON.stringify(VIEW))
    const changes = { 'sources.views.format': { type: 'avro', registry: registry.url } }
    const schema = made(OF_FILE)
    name(schema, changes)
    expect((await load()).pipeline.sinks).toHaveLength(2)
    registry.addVersion(
      'views-value',
      JSON.stringify({ ...VIEW, fields: [...VIEW.fields, { name: 'x', type: 'int' }] }),
    )
    await expect(load()).rejects.toThrow(/view\.type\.x is missing/)
    await registry.stop()
  })
})
