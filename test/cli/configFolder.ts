/** A configuration folder for the embedded log, in a test's own folder. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type Config, loadConfig } from '../../src/config/load.ts'

const FIELDS = { userId: 'user_id', itemId: 'item_id', time: 'event_time' }

export const PIPELINE = {
  name: 'feed',
  sources: {
    views: { topic: 'views', format: { type: 'json' }, fields: { ...FIELDS, viewId: 'view_id' } },
    engagements: [{ topic: 'engagements', format: { type: 'json' }, fields: { ...FIELDS, type: 'type' } }],
  },
  labels: { click: { on: 'click', within: '10m' } },
  sinks: [{ type: 'kafka', topic: 'samples' }],
}

export interface ConfigFolder {
  readonly folder: string
  readonly dataDir: string
  readonly config: Config
}

export async function configFolder(root: string, node: object = {}, pipeline: object = {}): Promise<ConfigFolder> {
  const folder = join(root, 'config')
  const dataDir = join(root, 'data')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'pipeline.yaml'), stringify({ ...PIPELINE, ...pipeline }))
  const embedded = { fsync: '0s', partitions: 2 }
  await writeFile(join(folder, 'node.yaml'), stringify({ dataDir, embedded, log: { level: 'error' }, ...node }))
  return { folder, dataDir, config: loadConfig(folder, {}) }
}
