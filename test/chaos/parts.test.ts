/** The chaos runner's own parts, without a cluster: its plan, its figures, its command line, its eye for early commits. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ALLOWED_LATENESS_MS, LONGEST_WINDOW_MS } from '../support/crashPipeline.ts'
import { type CrashRecords, viewKeyOf } from '../support/crashRead.ts'
import { Random } from '../support/random.ts'
import { CHAOS_BUGS } from './bugs.ts'
import { notDurable } from './commits.ts'
import { ALL_KINDS, Plan } from './plan.ts'
import { percentiles } from './report.ts'

const SCRIPT = join(import.meta.dirname, '../../scripts/chaos.mjs')

test('a seed gives the same faults, and each kind comes before any comes twice', () => {
  const faults = (seed: number) => {
    const plan = new Plan(new Random(seed))
    return Array.from({ length: 40 }, () => plan.next())
  }
  expect(faults(5)).toEqual(faults(5))
  expect(faults(5)).not.toEqual(faults(6))
  const first = faults(5).slice(0, ALL_KINDS.length)
  expect(first.map(({ kind }) => kind).sort()).toEqual([...ALL_KINDS].sort())
})

test('percentiles are values that were seen', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect(percentiles(values)).toEqual({ count: 100, p50: 50, p99: 99, most: 100 })
  expect(percentiles([7])).toEqual({ count: 1, p50: 7, p99: 7, most: 7 })
  expect(percentiles([])).toEqual({ count: 0, p50: 0, p99: 0, most: 0 })
})

test('a commit is early where it seals a view whose sample lies beyond the end that was seen after it', () => {
  const told = { key: null, value: Buffer.alloc(0), headers: new Map<string, string>() }
  const record = { partition: 0, offset: 10, stampMs: 0, ...told }
  const event = { user: 'u', item: 'i', viewId: 'v', time: 1_000, now: 5_000 }
  const deadlineMs = event.time + LONGEST_WINDOW_MS + ALLOWED_LATENESS_MS
  const key = viewKeyOf(event)
  const records = (offset: number): CrashRecords => ({
    events: [{ source: 0, record, event }],
    samples: [{ record: { ...record, offset }, id: 'v', user: 'u', key }],
    deadLetters: [],
    letters: new Map(),
    beside: [],
  })
  const before = { atMs: 1, offset: 11, watermarkMs: deadlineMs, end: 3 }
  const sealing = { atMs: 2, offset: 11, watermarkMs: deadlineMs + 1, end: 5 }
  const later = { atMs: 3, offset: 20, watermarkMs: deadlineMs + 9, end: 9 }
  expect(notDurable([[before, sealing, later]], records(4))).toEqual([])
  expect(notDurable([[before, sealing, later]], records(5))).toHaveLength(1)
  expect(notDurable([[before]], records(5))).toEqual([])
  expect(notDurable([[before, sealing]], { ...records(0), samples: [] })).toHaveLength(1)
})

test('each seeded bug still has its place in the source', async () => {
  expect(CHAOS_BUGS.length).toBeGreaterThanOrEqual(6)
  for (const { name, mutations } of CHAOS_BUGS) {
    for (const { file, find } of mutations) {
      const text = await readFile(join(import.meta.dirname, '../../src', file), 'utf8')
      expect(text.split(find).length - 1, `${name}: ${file}: ${find}`).toBe(1)
    }
  }
})

test.each([
  [['--kills', 'many'], '--kills many'],
  [['--kills', '0'], '--kills 0'],
  [['--delivery', 'twice'], '--delivery twice'],
  [['--faults', '3'], '--faults'],
])('npm run chaos refuses %j', async (given, named) => {
  const run = promisify(execFile)(process.execPath, [SCRIPT, ...given])
  await expect(run).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(named) })
})
