/** One file of views and engagements, told apart by a field of its rows, whatever the format of the sources. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { runBackfill } from '../../src/backfill/run.ts'
import { loadConfig } from '../../src/config/load.ts'
import { LEDGER_FIELDS } from '../../src/join/ledger.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const EVENT = {
  type: 'record',
  name: 'Event',
  fields: [...['user', 'item', 'behaviour'].map((name) => ({ name, type: 'string' })), { name: 'at', type: 'long' }],
}
/** Users in turn; each has a view, and two of three a purchase a minute later. */
const USERS = 9
const ROWS = Array.from({ length: USERS }, (_, k) => [
  `u${k},i,pv,${k * 1000}`,
  ...(k % 3 === 0 ? [] : [`u${k},i,buy,${60_000 + k * 1000}`]),
]).flat()

let dir: TempDir
beforeAll(async () => {
  dir = await tempDir()
  await writeFile(join(dir.path, 'event.avsc'), JSON.stringify(EVENT))
  await writeFile(join(dir.path, 'events.csv'), ['user,item,behaviour,at', ...ROWS].join('\n'))
})
afterAll(() => dir.remove())

async function configOf(name: string, format: object) {
  const folder = join(dir.path, name)
  const fields = { userId: 'user', itemId: 'item', time: { field: 'at', unit: 'ms' } }
  const pipeline = {
    name,
    sources: {
      views: { topic: 'views', format, fields },
      engagements: [{ topic: 'engagements', format, fields: { ...fields, type: 'behaviour' } }],
    },
    labels: { buy: { on: 'buy', within: '10m' } },
    sinks: [{ type: 'kafka', topic: 'samples', format: 'json' }],
  }
  await mkdir(folder)
  await writeFile(join(folder, 'pipeline.yaml'), stringify(pipeline))
  return loadConfig(folder, { POSTVIEW_DATA_DIR: join(folder, 'data') })
}

test.each([
  ['json', { type: 'json' }],
  ['jsonWithSchema', { type: 'json', schema: '../event.avsc' }],
  ['avro', { type: 'avro', schema: '../event.avsc' }],
])('rows of %s sources are views or engagements, and none is both', async (name, format) => {
  const path = join(dir.path, 'events.csv')
  const where = { field: 'behaviour', value: 'pv' }
  const { ledger, problems } = await runBackfill({
    config: await configOf(name, format),
    inputs: [
      { path, where: { ...where, isEqual: true } },
      { path, where: { ...where, isEqual: false } },
    ],
    out: join(dir.path, `${name}.jsonl`),
  })
  const counts = Object.fromEntries(LEDGER_FIELDS.map((field, k) => [field, ledger[k]]))
  const purchases = ROWS.length - USERS
  expect(problems).toEqual([])
  expect(counts).toMatchObject({ records: ROWS.length, views: USERS, samples: USERS, engagements: purchases })
  expect(counts.bound).toBe(purchases)
})
