import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { addGenerate } from '../../src/cli/generate.ts'
import { addSchema } from '../../src/cli/schema.ts'
import { UsageError } from '../../src/cli/usage.ts'

let folder = ''
let printed = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postview-cli-'))
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

async function run(...args: string[]): Promise<void> {
  const program = new Command('postview').exitOverride().configureOutput({ writeErr: () => {} })
  addGenerate(program)
  addSchema(program)
  await program.parseAsync(['node', 'postview', ...args])
}

const small = ['--views', '50', '--users', '5', '--start', '2026-01-01T00:00:00Z']

test('generate --out-dir writes views, engagements and the answer, the same for the same seed', async () => {
  await run('generate', '--out-dir', join(folder, 'a'), ...small)
  await run('generate', '--out-dir', join(folder, 'b'), ...small)
  await run('generate', '--out-dir', join(folder, 'c'), ...small, '--seed', '2')
  const names = ['answer.jsonl', 'engagements.jsonl', 'views.jsonl']
  const contents = (name: string) => names.map((file) => readFileSync(join(folder, name, file), 'utf8'))
  expect(readdirSync(join(folder, 'a')).sort()).toEqual(names)
  expect(contents('a')[0].trimEnd().split('\n')).toHaveLength(50)
  expect(contents('b')).toEqual(contents('a'))
  expect(contents('c')).not.toEqual(contents('a'))
  expect(printed).toMatch(/^50 views, \d+ engagements and \d+ copies of views to /)
})

test('generate without a target writes to the configured log, and the answer where it is told to', async () => {
  vi.stubEnv('POSTVIEW_DATA_DIR', folder)
  await run('generate', ...small, '--close', '--answer', join(folder, 'answer.jsonl'))
  const answers = readFileSync(join(folder, 'answer.jsonl'), 'utf8').trimEnd().split('\n')
  expect(answers.filter((line) => !('closing' in JSON.parse(line)))).toHaveLength(50)
  expect(answers).toHaveLength(54)
  expect(readdirSync(join(folder, 'log', 'topics')).sort()).toEqual(['engagements', 'views'])
})

test('generate refuses wrong use with the flag and the value', async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [['--views', 'many'], /--views many: must be a whole number above 0/],
    [['--views', '0'], /--views 0/],
    [['--duplicates', '1.5'], /--duplicates 1\.5: must be a number from 0 to 1/],
    [['--span', '10'], /--span 10: must be a duration/],
    [['--start', 'soon'], /--start soon: must be a time/],
    [['--to', 'localhost:7400'], /--to localhost:7400: must be an http/],
    [['--disorder', '1h'], /time\.outOfOrderness/],
  ]
  for (const [args, message] of wrong) {
    const error = await run('generate', ...args).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(UsageError)
    expect(error.message).toMatch(message)
  }
  await expect(run('generate', '--to', 'http://a', '--out-dir', 'b')).rejects.toThrow(/cannot be used with/)
})

test('schema prints the Avro schema of the samples, which is the one in schemas/sample.avsc', async () => {
  await run('schema')
  const schema = JSON.parse(printed)
  expect(readFileSync('schemas/sample.avsc', 'utf8'), 'remake it: postview schema > schemas/sample.avsc').toBe(printed)
  expect(schema.fields.map((field: { name: string }) => field.name)).toEqual([
    'sample_id',
    'user_id',
    'item_id',
    'view_time',
    'labels',
    'delays_ms',
    'late_view',
    'revision',
    'weight',
    'view',
  ])
})
