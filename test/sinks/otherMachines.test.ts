/** What a node of another machine left unfinished in a folder is recovered while a sink is open there. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FileSink, type FileSinkOptions } from '../../src/sinks/file.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const BEGAN_MS = 1_000_000
const NO_KEY = Buffer.alloc(0)
const SOON = { timeout: 10_000 }

let dir: TempDir
let sink: FileSink | undefined
beforeEach(async () => {
  dir = await tempDir()
  sink = undefined
})
afterEach(async () => {
  await sink?.close()
  await dir.remove()
})

/** Files of others are too young as it opens, and old from then on. */
async function open(logger?: FileSinkOptions['logger']): Promise<FileSink> {
  let looks = 0
  sink = await FileSink.open({
    folder: dir.path,
    format: 'jsonl',
    schema: 'string',
    rollBytes: 1 << 30,
    rollEveryMs: 20,
    nowMs: () => (looks++ === 0 ? BEGAN_MS : BEGAN_MS + 3_600_000),
    logger,
  })
  return sink
}

const partOf = (host: string): string => `.part-${host}-1-1-samples-0-${BEGAN_MS}-abcd.jsonl`
const named = (prefix: string): string[] => readdirSync(dir.path).filter((name) => name.startsWith(prefix))
const finished = (): string[] => named('samples-')
const lines = (): string[] =>
  finished()
    .flatMap((name) => readFileSync(join(dir.path, name), 'utf8').trimEnd().split('\n'))
    .sort()

function add(to: FileSink, line: string): void {
  const value = Buffer.from(line)
  to.add(0, NO_KEY, 0, 0, value, 0, value.length, 0)
}

test('though it has nothing to write itself', async () => {
  writeFileSync(join(dir.path, partOf('elsewhere')), '"one"\n"tw')
  const { recovered } = await open()
  expect(recovered.leftAlone).toBe(1)
  await vi.waitFor(() => expect(finished()).toHaveLength(1), SOON)
  expect(lines()).toEqual(['"one"'])
  expect(named('.part-')).toEqual([])
})

test('and what cannot be keeps neither the rest from it nor the sink from its own', async () => {
  mkdirSync(join(dir.path, partOf('damaged')))
  writeFileSync(join(dir.path, partOf('elsewhere')), '"one"\n')
  const warn = vi.fn()
  const own = await open({ warn })
  for (let i = 0; i < 3; i++) {
    add(own, `"own-${i}"`)
    await own.flush()
    await vi.waitFor(() => expect(finished()).toHaveLength(i + 2), SOON)
  }
  await vi.waitFor(() => expect(warn.mock.calls.length).toBeGreaterThan(1), SOON)
  const which = { folder: dir.path, file: partOf('damaged') }
  expect(warn).toHaveBeenCalledWith(expect.objectContaining(which), expect.anything())
  add(own, '"last"')
  await own.close()
  expect(lines()).toEqual(['"last"', '"one"', '"own-0"', '"own-1"', '"own-2"'])
  expect(named('.part-')).toEqual([partOf('damaged')])
})
