import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeMetadata } from '../../src/actors/position.ts'
import { startControlServer } from '../../src/inspect/server.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { CONTROL, fakeNode, fakePartition, ledgerOf, quiet, readers } from '../inspect/fakeNode.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { type ConfigFolder, configFolder } from './configFolder.ts'
import { run } from './run.ts'

const BALANCED = { records: 10, views: 6, engagements: 3, refused: 1, samples: 4, pending: 2, bound: 2, orphan: 1 }

let dir: TempDir
let place: ConfigFolder
beforeEach(async () => {
  dir = await tempDir()
  place = await configFolder(dir.path)
})
afterEach(() => dir.remove())

const openLog = () =>
  openEmbeddedLog({ folder: join(place.dataDir, 'log'), ...place.config.node.embedded, segmentBytes: 1 << 20 })

/** Leaves behind what a node that ran would have committed. */
async function commit(ledgers: readonly (readonly number[])[]): Promise<void> {
  const topics = ['views', 'engagements']
  const log = await openLog()
  await log.createTopics(topics.map((topic) => ({ topic, partitions: ledgers.length })))
  const reader = log.reader({
    group: place.config.node.group,
    topics,
    fetchBytesPerPartition: 1024,
    maxWaitMs: 10,
    maxInflatedBytes: 1024,
    onAssigned: async (partitions) =>
      topics.flatMap((topic) => partitions.map((partition) => ({ topic, partition, offset: 0 }))),
    onRevoking: async () => {},
    onChunk: () => {},
    onFailed: () => {},
  })
  await reader.start()
  const sources = new Map(topics.map((topic) => [topic, { offset: 0, neededFrom: 0, highestMs: 5 }]))
  const entries = ledgers.flatMap((ledger, partition) => {
    const metadata = encodeMetadata({ watermarkMs: 1, sources, deadLettersFrom: 0, ledger })
    return topics.map((topic) => ({ topic, partition, offset: 0, metadata }))
  })
  await reader.commit(entries)
  await reader.close()
  await log.close()
}

const ledger = (...flags: string[]) => run('ledger', '--config', place.folder, ...flags)

describe('postview ledger', () => {
  it('asks the running node', async () => {
    const node = fakeNode([fakePartition(0, { ledger: BALANCED }), fakePartition(1, { ledger: BALANCED })])
    const { dataDir } = place
    const server = await startControlServer({
      node,
      readers,
      control: CONTROL,
      dataDir,
      version: '1',
      logger: quiet,
    })
    try {
      const { stdout, exitCode } = await ledger('--json')
      expect(exitCode).toBeUndefined()
      expect(JSON.parse(stdout)).toMatchObject({ from: 'nodes', balances: true, total: { records: 20, samples: 8 } })
      expect((await ledger()).stdout).toMatch(/joined by now[\s\S]*it balances/)
    } finally {
      await server.close()
    }
  })

  it('reads what was committed where no node runs', async () => {
    await commit([ledgerOf(BALANCED), ledgerOf({ records: 1, views: 1, pending: 1 })])
    const { stdout, exitCode } = await ledger('--json')
    expect(exitCode).toBeUndefined()
    expect(JSON.parse(stdout)).toMatchObject({
      from: 'commits',
      total: { records: 11, views: 7, pending: 3 },
      partitions: [
        { partition: 0, records: 10 },
        { partition: 1, records: 1 },
      ],
    })
    expect((await ledger()).stdout).toContain('2 partitions, committed last')
  })

  it('ends with 1 where the counts do not balance, and says which', async () => {
    await commit([ledgerOf(BALANCED), ledgerOf({ ...BALANCED, samples: 3 })])
    const { stdout, exitCode } = await ledger()
    expect(exitCode).toBe(1)
    expect(stdout).toContain('partition 1: views are off by 1')
    expect(stdout).toContain('IT DOES NOT BALANCE')
  })

  it('fails with one line, and makes nothing, where nothing ever ran', async () => {
    await expect(ledger()).rejects.toThrow(`there is no log in ${place.dataDir}`)
    await expect(ledger()).rejects.toThrow(`there is no log in ${place.dataDir}`)
  })
})
