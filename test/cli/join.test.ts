/** `postview join` over the files that `postview generate --out-dir` writes for the same pipeline. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { configFolder, PIPELINE } from './configFolder.ts'
import { run } from './run.ts'
import { asTerminal } from './terminal.ts'

const VIEWS = 200
const FEW = ['--views', String(VIEWS), '--users', '20', '--start', '2026-01-01T00:00:00Z', '--close']

let dir: TempDir
beforeEach(async () => {
  dir = await tempDir()
})
afterEach(() => dir.remove())

const [engagements] = PIPELINE.sources.engagements
const ofType = (topic: readonly string[], type: object) => ({
  ...engagements,
  topic,
  fields: { ...engagements.fields, type },
})

/** A file for each section of the sources, in the order of their names, joined: the counts. */
async function joined(folder: string, files: readonly string[]): Promise<Record<string, number>> {
  const path = (name: string) => join(dir.path, 'events', `${name}.jsonl`)
  const inputs = ['--views', path('views'), '--engagements', ...files.map(path)]
  const out = join(dir.path, 'samples.jsonl')
  const ran = await run('join', '--config', folder, ...inputs, '--out', out, '--json')
  const counts = JSON.parse(ran.stdout) as Record<string, number>
  expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toHaveLength(counts.samples)
  return counts
}

async function generated(folder: string): Promise<string[]> {
  await run('generate', '--config', folder, '--out-dir', join(dir.path, 'events'), ...FEW)
  return (await readdir(join(dir.path, 'events'))).sort()
}

/** Each line's sample with its labels, in no order. */
async function samplesOf(file: string): Promise<string[]> {
  const lines = (await readFile(join(dir.path, file), 'utf8')).trimEnd().split('\n')
  const samples = lines.map((line) => JSON.parse(line) as { sample_id: string; labels: object })
  return samples.map(({ sample_id: id, labels }) => `${id} ${JSON.stringify(labels)}`).sort()
}

test.each([
  ['one source', [{ ...engagements, topic: ['taps', 'taps-app'] }], ['engagements']],
  [
    'two sources',
    [ofType(['clicks', 'clicks-app'], { const: 'click' }), ofType(['shares'], { const: 'share' })],
    ['engagements-clicks', 'engagements-shares'],
  ],
])('topics of one source are one file, with %s of engagements', async (_, sources, files) => {
  const { folder } = await configFolder(
    dir.path,
    {},
    {
      sources: { views: { ...PIPELINE.sources.views, topic: ['views', 'views-app'] }, engagements: sources },
      labels: { ...PIPELINE.labels, ...(files.length > 1 ? { share: { on: 'share', within: '10m' } } : {}) },
      repartition: { topic: 'all' },
    },
  )
  expect(await generated(folder)).toEqual(['answer.jsonl', ...files.map((name) => `${name}.jsonl`), 'views.jsonl'])
  const counts = await joined(folder, files)
  expect(counts.refused).toBe(0)
  expect(await samplesOf('samples.jsonl')).toEqual(await samplesOf(join('events', 'answer.jsonl')))
  expect(counts.samples).toBeGreaterThanOrEqual(VIEWS)
  expect(counts.bound).toBeGreaterThan(VIEWS / 10)
  await expect(joined(folder, [...files, ...files])).rejects.toThrow(
    `the pipeline has ${files.length} engagement sources, ${2 * files.length} files were given`,
  )
})

test('brokers that are missing and secrets that are not set do not matter over files', async () => {
  const access = { url: 'http://registry', username: 'env:NOT_SET', password: 'file:not-there' }
  const sinks = [{ type: 'kafka', topic: 'samples', format: { type: 'avro', registry: access } }]
  const node = { control: { tokens: { read: 'env:NOT_SET' } }, snapshots: { to: 'kafka', topic: 'shared' } }
  const kafka = {
    brokers: ['b:1'],
    ssl: { ca: 'file:not-there' },
    sasl: { mechanism: 'oauthbearer', token: 'env:NOT_SET' },
  }
  const { folder } = await configFolder(dir.path)
  const write = async (sources: object, node: object): Promise<void> => {
    const pipeline = { ...PIPELINE, sources, sinks, delivery: 'exactly-once' }
    await writeFile(join(folder, 'pipeline.yaml'), stringify(pipeline))
    await writeFile(join(folder, 'node.yaml'), stringify(node))
  }
  await write(PIPELINE.sources, node)
  expect(await generated(folder)).toEqual(['answer.jsonl', 'engagements.jsonl', 'views.jsonl'])
  const { views } = PIPELINE.sources
  const registered = { ...views, format: { type: 'avro', registry: access } }
  await write({ ...PIPELINE.sources, views: registered }, { ...node, kafka })
  expect((await joined(folder, ['engagements'])).samples).toBeGreaterThanOrEqual(VIEWS)
  await write({ ...PIPELINE.sources, views: { ...views, topic: 'a b' } }, { ...node, kafka, memory: { state: '1' } })
  await expect(joined(folder, ['engagements'])).rejects.toThrow(/sources\.views\.topic.*\n.*memory\.state/)
})

test('a bar on a terminal goes from nothing to all that was read, and is nowhere else', async () => {
  const { folder } = await configFolder(dir.path)
  await generated(folder)
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    await joined(folder, ['engagements'])
    expect(write).not.toHaveBeenCalled()
    await asTerminal('stderr', () => joined(folder, ['engagements']))
    const percents = write.mock.calls.flatMap(([text]) =>
      [...String(text).matchAll(/(\d+) %/g)].map(([, of]) => Number(of)),
    )
    expect(percents[0]).toBe(0)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    expect(percents.at(-1)).toBe(100)
    expect(write.mock.lastCall).toEqual(['\n'])
  } finally {
    write.mockRestore()
  }
})
