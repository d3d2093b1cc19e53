/** Generated events of a source in a registry's wire format: read back as the node reads them. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSourceReader } from '../../src/codec/source.ts'
import { loadPipeline } from '../../src/config/load.ts'
import type { Pipeline, Source } from '../../src/config/model.ts'
import { ENGAGEMENTS, type GeneratedEvent, VIEWS } from '../../src/generate/event.ts'
import { RecordMaker } from '../../src/generate/record.ts'
import { withWriterSchemas } from '../../src/generate/written.ts'
import { FakeRegistry } from '../codec/fakeRegistry.ts'
import { LIMITS, readAll, record } from '../codec/support.ts'

const EVENT: GeneratedEvent = {
  source: ENGAGEMENTS,
  number: 3,
  user: '12',
  key: '12',
  timeMs: 1_700_000_000_000,
  arrivalMs: 0,
  fields: { viewId: '7', itemId: '34', type: 'click', value: 2.5 },
}

let registry: FakeRegistry
beforeEach(async () => {
  registry = new FakeRegistry()
  await registry.start()
})
afterEach(() => registry.stop())

function wirePipeline(fields: object = {}): Pipeline {
  const pipeline = loadPipeline('config', {})
  const sources = pipeline.sources.map((source): Source => {
    const format = { type: 'avro', registry: { url: registry.url } } as const
    return { ...source, format, fields: { ...source.fields, ...fields } }
  })
  return { ...pipeline, sources }
}

/** As the node reads what is generated for a source. */
async function readBack(pipeline: Pipeline, source: number, event: GeneratedEvent) {
  const { sources } = await withWriterSchemas(pipeline)
  const reader = await openSourceReader(pipeline.sources[source], LIMITS)
  return (await readAll(reader, [new RecordMaker(sources[source], 1).encode(event)]))[0]
}

test('they have the newest schema of the topic’s subject, with its id', async () => {
  const pipeline = wirePipeline()
  const { viewId, userId, itemId, time } = pipeline.sources[0].fields
  const ids = { [viewId![0]]: 'long', [userId[0]]: 'long', [itemId[0]]: 'int', [time.path[0]]: 'long' }
  registry.addVersion('views-value', JSON.stringify(record('Old', { a: 'int' })))
  const id = registry.addVersion('views-value', JSON.stringify(record('View', { more: 'string', ...ids })))
  const view = { ...EVENT, source: VIEWS } as const
  expect(await readBack(pipeline, 0, view)).toMatchObject({
    viewId: '7',
    user: '12',
    item: '34',
    timeMs: EVENT.timeMs,
    writer: id,
  })
  expect(registry.registered('views-value')).toHaveLength(2)
})

test('where the registry has none, they have one of the mapped fields, which is registered once', async () => {
  const pipeline = wirePipeline({ userId: ['who', 'user'], itemId: ['who', 'item'], time: { path: ['at'] } })
  for (const value of [2.5, null]) {
    const event = { ...EVENT, fields: { ...EVENT.fields, value } }
    expect(await readBack(pipeline, 1, event)).toMatchObject({
      user: '12',
      item: '34',
      timeMs: EVENT.timeMs,
      type: 'click',
      value,
      writer: registry.registered('engagements-value')[0][0],
    })
  }
  expect(registry.registered('engagements-value')).toHaveLength(1)
})

test('as lines of JSON they ask no registry', () => {
  const [source] = wirePipeline({ viewId: ['id'] }).sources
  expect(JSON.parse(new RecordMaker(source, 1).json({ ...EVENT, source: VIEWS }))).toMatchObject({ id: '7' })
  expect(registry.requests).toEqual([])
})

test('a registry that cannot be asked, and a schema without a mapped field, are clear errors', async () => {
  registry.addVersion('views-value', JSON.stringify(record('View', { a: 'int' })))
  await expect(readBack(wirePipeline(), 0, EVENT)).rejects.toThrow(/the schema has no field/)
  registry.fault = (_request, response) => {
    response.writeHead(401).end()
    return true
  }
  await expect(withWriterSchemas(wirePipeline())).rejects.toThrow(/answered 401 to \/subjects\/views-value/)
})
