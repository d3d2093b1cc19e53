/** Signals that are one wish to stop, told more than once, and a second wish. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SAME_MS, StopSignals } from '../../src/cluster/stopSignals.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

let program: Program
let dir: TempDir
beforeAll(async () => {
  ;[program, dir] = await Promise.all([buildProgram(), tempDir()])
}, 120_000)
afterAll(async () => {
  await program?.remove()
  await dir?.remove()
})

test('within a second of the first a signal is the same one, later it is a second one', () => {
  let nowMs = 5_000
  const signals = new StopSignals({ wallMs: () => 0, monotonicMs: () => nowMs })
  const after = (ms: number) => {
    nowMs = 5_000 + ms
    return signals.heard()
  }
  expect([0, 3, SAME_MS - 1, SAME_MS, 60_000].map(after)).toEqual(['first', 'same', 'same', 'second', 'second'])
})

test('a node that hears the same signal twice drains, as each does under systemd', { timeout: 60_000 }, async () => {
  const config = await writeWorld(join(dir.path, 'twice'), { name: 'twice' })
  const node = new NodeProcess(program.folder, config)
  await node.ready
  // Two of one name may be merged on the way.
  node.signal('SIGTERM')
  node.signal('SIGINT')
  expect(await node.exited, node.tail()).toBe(0)
  expect(node.lines.some((line) => line.includes('"stopped"'))).toBe(true)
})
