import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderSnapshots } from '../../src/snapshots/folder.ts'
import { SnapshotDamaged } from '../../src/snapshots/format.ts'
import { snapshotContract } from '../contract/snapshots.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

snapshotContract('a folder', async () => {
  const dir = await tempDir()
  return { store: new FolderSnapshots(join(dir.path, 'not/there/yet')), close: () => dir.remove() }
})

describe('the folder of shared snapshots', () => {
  let dir: TempDir

  beforeEach(async () => {
    dir = await tempDir()
  })

  afterEach(() => dir.remove())

  it('keeps two files a partition, and removes what was left unfinished long ago', async () => {
    const store = new FolderSnapshots(dir.path)
    for (let number = 1; number <= 4; number++) {
      const sink = await store.begin(0)
      await sink.publish(Buffer.from('last'))
    }
    const folder = join(dir.path, '0')
    for (const [name, ageS] of [
      ['old.part', 3_600],
      ['young.part', 1],
    ] as const) {
      await writeFile(join(folder, name), '')
      const at = Date.now() / 1000 - ageS
      await utimes(join(folder, name), at, at)
    }
    await (await store.begin(0)).publish(Buffer.from('last'))
    const names = (await readdir(folder)).sort()
    expect(names.map((name) => name.replace(/-.*\./, '.'))).toEqual([
      '00000000000000000004.snapshot',
      '00000000000000000005.snapshot',
      'young.part',
    ])
  })

  it('numbers its own above what lies there, whatever that was numbered by', async () => {
    const folder = join(dir.path, '0')
    await mkdir(folder)
    for (const sum of [41_000, 42_000])
      await writeFile(join(folder, `${String(sum).padStart(20, '0')}-1f.snapshot`), '')
    await (await new FolderSnapshots(dir.path).begin(0)).publish(Buffer.from('last'))
    const names = (await readdir(folder)).sort()
    expect(names.map((name) => Number.parseInt(name, 10))).toEqual([42_000, 42_001])
  })

  it('tells a file that was cut', async () => {
    const store = new FolderSnapshots(dir.path)
    const sink = await store.begin(0)
    await sink.write(Buffer.alloc(100))
    await sink.publish(Buffer.alloc(100))
    const [name] = await readdir(join(dir.path, '0'))
    await truncate(join(dir.path, '0', name), 150)
    const [found] = await store.find(0)
    const read = async (): Promise<void> => {
      for await (const frame of found.frames()) expect(frame.length).toBe(100)
    }
    await expect(read()).rejects.toBeInstanceOf(SnapshotDamaged)
  })
})
