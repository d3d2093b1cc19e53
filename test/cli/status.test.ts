import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UsageError } from '../../src/cli/usage.ts'
import { ClusterMap } from '../../src/cluster/map.ts'
import { encodeMember } from '../../src/cluster/member.ts'
import { type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import { CONTROL, fakeNode, fakePartition, quiet, readers } from '../inspect/fakeNode.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { configFolder } from './configFolder.ts'
import { run } from './run.ts'

let dir: TempDir
let servers: ControlServer[] = []
beforeEach(async () => {
  dir = await tempDir()
})
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
  await dir.remove()
})

async function start(id: string, partition: number, dataDir: string, map?: ClusterMap): Promise<string> {
  const given = { position: [1200, 5], endOffset: [1210, 5], watermarkMs: 1_700_000_000_000, ledger: { pending: 4321 } }
  const node = fakeNode([fakePartition(partition, given)], { id, map })
  const server = await startControlServer({
    node,
    readers,
    control: CONTROL,
    dataDir,
    version: '1.2.3',
    logger: quiet,
  })
  servers.push(server)
  return server.url
}

describe('node cluster status', () => {
  it('shows every node of the data folder and its partitions', async () => {
    const { folder, dataDir } = await configFolder(dir.path)
    const url = await start('node-b', 1, dataDir)
    await start('node-a', 0, dataDir)
    const { stdout, exitCode } = await run('cluster', 'status', '--config', folder)
    expect(exitCode).toBeUndefined()
    for (const text of [
      'node-a',
      'node-b',
      url,
      'postview-feed',
      '1,210',
      '4,321',
      '2023-11-14T22:13:20.000Z',
      'live',
    ]) {
      expect(stdout).toContain(text)
    }
    expect(stdout).not.toContain('\u001b')
  })

  it('gives the same as JSON', async () => {
    const { folder, dataDir } = await configFolder(dir.path)
    await start('node-b', 1, dataDir)
    await start('node-a', 0, dataDir)
    const { nodes, unreachable } = JSON.parse((await run('cluster', 'status', '--json', '--config', folder)).stdout)
    expect(nodes.map((node: { node: string }) => node.node)).toEqual(['node-a', 'node-b'])
    expect(nodes[0].partitions[0]).toMatchObject({ partition: 0, pendingViews: 4321 })
    expect(unreachable).toEqual([])
  })

  it('asks the nodes elsewhere that the group knows of, and says who does not answer and what to do', async () => {
    const { folder, dataDir } = await configFolder(dir.path)
    const elsewhere = await start('node-b', 1, `${dir.path}/of another machine`)
    const member = (id: string, url: string, partitions: number[]) => {
      const info = encodeMember({
        id,
        folder: id,
        url,
        version: '1',
        fingerprint: 'f',
        digests: {},
        owns: [],
        holds: [],
      })
      return { memberId: id, info, partitions }
    }
    const members = [member('node-b', elsewhere, [1]), member('node-c', 'http://127.0.0.1:9', [2, 3])]
    const log = { members: async () => ({ state: 'stable', members }) as const }
    const map = new ClusterMap({ log, group: 'postview-feed', partitionCount: () => 4 })
    await start('node-a', 0, dataDir, map)
    const { nodes, cluster, advice } = JSON.parse((await run('cluster', 'status', '--json', '--config', folder)).stdout)
    expect(nodes.map((node: { node: string }) => node.node)).toEqual(['node-a', 'node-b'])
    expect(cluster.members.map(({ id }: { id: string }) => id)).toEqual(['node-b', 'node-c'])
    expect(advice).toEqual(
      expect.arrayContaining([
        'nobody owns partitions 0: start a node',
        expect.stringMatching(/^node-c at http:\/\/127.0.0.1:9 does not answer/),
      ]),
    )
    const { stdout } = await run('cluster', 'status', '--config', folder)
    expect(stdout).toContain('What is wrong:\n- nobody owns partitions 0: start a node')
  })

  it('asks the node of a URL, without any configuration', async () => {
    const url = await start('node-a', 0, dir.path)
    const { stdout } = await run('cluster', 'status', '--json', '--url', `${url}/`, '--config', 'nowhere')
    expect(JSON.parse(stdout).nodes[0].node).toBe('node-a')
  })

  it('fails with one line where no node runs', async () => {
    const { folder, dataDir } = await configFolder(dir.path)
    const status = run('cluster', 'status', '--config', folder)
    await expect(status).rejects.toThrow(`no node is running here (no address in ${dataDir}/nodes)`)
  })

  it('fails with one line where the node of a URL does not answer', async () => {
    const url = await start('node-a', 0, dir.path)
    await servers.pop()?.close()
    await expect(run('cluster', 'status', '--url', url)).rejects.toThrow(`no node answers: ${url} (ECONNREFUSED)`)
  })

  it('refuses a URL that is none', async () => {
    await expect(run('cluster', 'status', '--url', 'localhost')).rejects.toThrow(UsageError)
    await expect(run('cluster', 'status', '--url', 'file:///etc')).rejects.toThrow(UsageError)
  })
})
