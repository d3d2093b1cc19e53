import { spawnSync } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findNodes, type NodeAddress, removeAddress, writeAddress } from '../../src/inspect/address.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

let dir: TempDir
beforeEach(async () => {
  dir = await tempDir()
})
afterEach(() => dir.remove())

const address = (id: string, pid = process.pid): NodeAddress => ({
  id,
  url: 'http://127.0.0.1:7400',
  pid,
  startedAt: '2026-01-01T00:00:00.000Z',
})

describe('the addresses of a data folder', () => {
  it('are found while their nodes live, by id', async () => {
    await writeAddress(dir.path, address('node-2'))
    await writeAddress(dir.path, address('node-1'))
    expect(await findNodes(dir.path)).toEqual([address('node-1'), address('node-2')])
    await removeAddress(dir.path, address('node-2'))
    expect(await findNodes(dir.path)).toEqual([address('node-1')])
  })

  it('are passed over when their process is gone', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    await writeAddress(dir.path, address('dead', pid))
    expect(await findNodes(dir.path)).toEqual([])
  })

  it('are none where no node ever ran', async () => {
    expect(await findNodes(join(dir.path, 'nowhere'))).toEqual([])
  })

  it('are passed over when torn, of another shape, or pointing to no web address', async () => {
    const folder = join(dir.path, 'nodes')
    await mkdir(folder)
    await writeFile(join(folder, 'torn.json'), '{"id":"to')
    await writeFile(join(folder, 'other.json'), '{"id":"other"}')
    await writeFile(join(folder, 'file.json'), JSON.stringify({ ...address('file'), url: 'file:///etc/passwd' }))
    await writeFile(join(folder, 'unfinished.json.1~'), JSON.stringify(address('unfinished')))
    expect(await findNodes(dir.path)).toEqual([])
  })

  it('stay within their folder whatever a node is called', async () => {
    const ids = ['../../escaped', '..', '/absolute', 'a b:*?', 'ünï']
    for (const id of ids) await writeAddress(dir.path, address(id))
    expect((await findNodes(dir.path)).map((found) => found.id).sort()).toEqual([...ids].sort())
    expect(await readdir(dir.path)).toEqual(['nodes'])
    expect(await readdir(join(dir.path, 'nodes'))).toHaveLength(ids.length)
  })

  it('are not removed by a node whose place another has taken', async () => {
    await writeAddress(dir.path, { ...address('node-1'), startedAt: '2026-02-02T00:00:00.000Z' })
    await removeAddress(dir.path, address('node-1'))
    expect(await findNodes(dir.path)).toHaveLength(1)
  })
})
