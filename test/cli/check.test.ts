import { existsSync } from 'node:fs'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/cluster/finding.ts'
import { ensureTopics } from '../../src/cluster/topics.ts'
import { ConfigError } from '../../src/config/problem.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { type ConfigFolder, configFolder } from './configFolder.ts'
import { type Ran, run } from './run.ts'

let dir: TempDir
let place: ConfigFolder
beforeEach(async () => {
  dir = await tempDir()
  place = await configFolder(dir.path)
})
afterEach(() => dir.remove())

const check = (...flags: string[]): Promise<Ran> => run('check', '--config', place.folder, ...flags)

async function withLog(use: (log: EmbeddedLog) => Promise<void>): Promise<void> {
  const log = await openEmbeddedLog({ folder: join(place.dataDir, 'log'), ...place.config.node.embedded })
  await use(log)
  await log.close()
}

async function problems(): Promise<Finding[]> {
  const { findings } = JSON.parse((await check('--json')).stdout) as { findings: Finding[] }
  return findings.filter((finding) => finding.state === 'problem')
}

describe('postview check', () => {
  it('finds nothing wrong before the first start, and makes nothing', async () => {
    const { stdout, exitCode } = await check()
    expect(exitCode).toBeUndefined()
    expect(stdout).toContain('no problems')
    expect(existsSync(place.dataDir)).toBe(false)
  })

  it('looks at topics and keying where there is a log', async () => {
    await withLog(async (log) => {
      await ensureTopics(log, place.config)
    })
    const { stdout, exitCode } = await check()
    expect(exitCode).toBeUndefined()
    for (const topic of [
      'views',
      'engagements',
      'samples',
      'samples-late',
      'samples-orphans',
      'samples-dead-letters',
    ]) {
      expect(stdout).toContain(`topic ${topic}: exists, with 2 partitions`)
    }
    expect(stdout).toContain('topic views: the last records lie where their user ids hash')
  })

  it('ends with 1 and names topic, partition and offset where records are in wrong partitions', async () => {
    await withLog(async (log) => {
      await ensureTopics(log, place.config)
      const event = Buffer.from('{"user_id":"u1","item_id":"i1","event_time":1700000000000}')
      const writer = await log.writer()
      for (const partition of [0, 1]) {
        const builder = new RecordBatchBuilder({ compression: 'none' })
        builder.add(0, null, 0, -1, event, 0, event.length)
        await writer.append('views', partition, builder.finish())
      }
    })
    const { stdout, exitCode } = await check()
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/PROBLEM +keying +topic views partition [01] offset 0: belongs in partition [01]/)
    expect(stdout).toContain('1 problems')
  })

  it('ends with 1 where retention is shorter than the longest window', async () => {
    place = await configFolder(dir.path, {
      dataDir: join(dir.path, 'data'),
      embedded: { retention: '5m', partitions: 2 },
    })
    await withLog(async (log) => {
      await log.createTopics([{ topic: 'views', partitions: 2 }])
    })
    expect((await check()).exitCode).toBe(1)
    expect((await problems())[0]).toMatchObject({ check: 'retention', subject: 'views' })
  })

  it('ends with 1 where the log cannot be opened', async () => {
    await withLog(async (log) => {
      await ensureTopics(log, place.config)
    })
    await writeFile(join(place.dataDir, 'log', 'topics', 'views', 'topic.json'), 'nonsense')
    const { stdout, exitCode } = await check()
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/PROBLEM +log +the log cannot be opened: .*topic.json/)
  })

  it('says that a node has the log, and does not count that as a problem', async () => {
    await withLog(async () => {
      const { stdout, exitCode } = await check()
      expect(exitCode).toBeUndefined()
      expect(stdout).toMatch(/WARNING +log .*a node is using it/)
    })
  })

  it('is refused, as wrong use, with a configuration that is wrong by itself', async () => {
    await expect(run('check', '--config', join(dir.path, 'nowhere'))).rejects.toThrow(ConfigError)
    await appendFile(join(place.folder, 'pipeline.yaml'), '\ndelivery: exactly-once\n')
    await expect(check()).rejects.toThrow(ConfigError)
  })
})
