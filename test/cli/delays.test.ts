import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rulesOf } from '../../src/cluster/rules.ts'
import { DelayWatch } from '../../src/delays/watch.ts'
import { startControlServer } from '../../src/inspect/server.ts'
import { JoinState } from '../../src/join/state.ts'
import { CONTROL, fakeNode, fakePartition, quiet, readers } from '../inspect/fakeNode.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { type ConfigFolder, configFolder } from './configFolder.ts'
import { run } from './run.ts'

let dir: TempDir
let place: ConfigFolder
beforeEach(async () => {
  dir = await tempDir()
  place = await configFolder(dir.path)
})
afterEach(() => dir.remove())

const delays = (...flags: string[]) => run('delays', '--config', place.folder, ...flags)

async function serve(watch: DelayWatch | undefined, id: string): Promise<{ close(): Promise<void> }> {
  const node = { ...fakeNode([fakePartition(0, { ledger: { pending: 50 } })], { id }), delays: watch }
  const { dataDir } = place
  return startControlServer({ node, readers, control: CONTROL, dataDir, version: '1', logger: quiet })
}

function watch(): DelayWatch {
  const rules = rulesOf(place.config)
  const made = new DelayWatch({ rules, horizonMs: 3_600_000, memoryBytes: 1 << 20, startedMs: 1_700_000_000_000 })
  made.partition(0, 1).done(new JoinState(rules, 2))
  return made
}

describe('postview delays', () => {
  it('adds up what the running nodes have observed', async () => {
    const servers = [await serve(watch(), 'a'), await serve(watch(), 'b')]
    try {
      const report = JSON.parse((await delays('--json', '--windows', '30m,5m')).stdout)
      expect(report).toMatchObject({ horizonMs: 3_600_000, pendingViews: 100, sealedViews: 0 })
      expect(report.labels.map((label: { label: string }) => label.label)).toEqual(
        place.config.pipeline.labels.map(({ name }) => name),
      )
      expect(report.labels[0].windows.map((window: { windowMs: number }) => window.windowMs)).toEqual([
        300_000, 1_800_000,
      ])
      expect((await delays()).stdout).toContain('0 views sealed since 2023-11-14')
    } finally {
      for (const server of servers) await server.close()
    }
  })

  it('says that nobody watches where the horizon is 0', async () => {
    const server = await serve(undefined, 'a')
    try {
      await expect(delays()).rejects.toThrow('delays.horizon in node.yaml is 0')
    } finally {
      await server.close()
    }
  })

  it('refuses windows that are none', async () => {
    await expect(delays('--windows', '5m,soon')).rejects.toThrow('must be durations, such as 5m,30m,2h')
  })
})
