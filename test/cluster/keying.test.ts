import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkKeying, type KeyingOptions } from '../../src/cluster/keying.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { Log } from '../../src/log/port.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { LineReader } from '../inspect/fakeNode.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const PARTITIONS = 4
const GROUP = 'postview-feed'

let dir: TempDir
let log: EmbeddedLog
beforeEach(async () => {
  dir = await tempDir()
  const nothing = { fsyncMs: 0, segmentBytes: 1 << 20, retentionMs: Number.POSITIVE_INFINITY }
  log = await openEmbeddedLog({ folder: dir.path, ...nothing, partitions: PARTITIONS })
  await log.createTopics(['views', 'clicks'].map((topic) => ({ topic, partitions: PARTITIONS })))
})
afterEach(async () => {
  await log.close()
  await dir.remove()
})

function check(given: Partial<KeyingOptions> = {}) {
  const readers = [new LineReader(), new LineReader()]
  return checkKeying({ log, topics: ['views', 'clicks'], readers, onMiskeyed: 'stop', ...given })
}

const home = (user: string) => partitionOf(murmur2(Buffer.from(user), 0, Buffer.byteLength(user)), PARTITIONS)

async function write(topic: string, partition: number, values: readonly string[]): Promise<void> {
  const builder = new RecordBatchBuilder({ compression: 'none' })
  for (const value of values) builder.add(0, null, 0, -1, Buffer.from(value), 0, Buffer.byteLength(value))
  const writer = await log.writer()
  await writer.append(topic, partition, builder.finish())
  await writer.close()
}

const event = (user: string) => JSON.stringify({ user })
const users = Array.from({ length: 40 }, (_, i) => `user-${i}`)

async function writeHome(topic: string): Promise<void> {
  for (let p = 0; p < PARTITIONS; p++) await write(topic, p, users.filter((user) => home(user) === p).map(event))
}

const stray = users.find((user) => home(user) !== 1)!

describe('keying', () => {
  it('is fine where records lie where their user ids hash, and where there are none', async () => {
    await writeHome('views')
    expect((await check()).map(({ subject, state }) => [subject, state])).toEqual([
      ['views', 'ok'],
      ['clicks', 'ok'],
    ])
  })

  it('is a problem with topic, partition, offset and the usual causes where one does not', async () => {
    await writeHome('views')
    const { high } = (await log.ends(['views']))[1]
    await write('views', 1, [event(stray)])
    const problem = (await check()).find((finding) => finding.state === 'problem')
    expect(problem?.subject).toBe('views')
    expect(problem?.message).toContain(`topic views partition 1 offset ${high}: belongs in partition ${home(stray)}`)
    expect(problem?.message).toContain(`1 of the last ${high + 1} records`)
    expect(problem?.message).toContain('null keys')
    expect(problem?.message).not.toContain(stray)
  })

  it('is only warned of where such records go to the dead letters', async () => {
    await write('views', 1, [event(stray)])
    expect((await check({ onMiskeyed: 'deadLetter' })).map((finding) => finding.state).sort()).toEqual([
      'ok',
      'warning',
    ])
  })

  it('passes over what cannot be decoded', async () => {
    await write('views', 1, ['not json'])
    expect((await check()).every((finding) => finding.state === 'ok')).toBe(true)
  })

  it('looks at the last records only', async () => {
    const settled = users.find((user) => home(user) === 1)!
    await write('views', 1, [event(stray)])
    await write(
      'views',
      1,
      Array.from({ length: 100 }, () => event(settled)),
    )
    expect((await check()).every((finding) => finding.state === 'ok')).toBe(true)
  })

  it('does not look at what the group has passed', async () => {
    await write('views', 1, [event(stray)])
    const committed: Log['committed'] = async () => [{ topic: 'views', partition: 1, offset: 1, metadata: '' }]
    const passed = Object.assign(Object.create(log) as Log, { committed })
    expect((await check({ log: passed, group: GROUP })).every((finding) => finding.state === 'ok')).toBe(true)
    expect((await check({ group: GROUP })).some((finding) => finding.state === 'problem')).toBe(true)
  })

  it('is a warning where a partition has no leader, and the others are judged as ever', async () => {
    await writeHome('views')
    await write('views', 1, [event(stray)])
    const ends: Log['ends'] = async (topics) => (await log.ends(topics)).filter(({ partition }) => partition !== 2)
    const findings = await check({ log: Object.assign(Object.create(log) as Log, { ends }) })
    const problems = findings.filter((finding) => finding.state === 'problem')
    expect(
      problems.map(({ message }) => /partition 1 offset \d+: belongs in partition (\d)/.exec(message)?.[1]),
    ).toEqual([String(home(stray))])
    expect(findings.filter((finding) => finding.state === 'warning').map(({ message }) => message)).toEqual(
      ['views', 'clicks'].map(
        (topic) => `topic ${topic} partition 2: its last records cannot be read: it has no leader`,
      ),
    )
  })

  it('is a warning where the records cannot be read', async () => {
    await write('views', 1, [event(stray)])
    const readRange = () => {
      throw new Error('no such luck')
    }
    const findings = await check({ log: Object.assign(Object.create(log) as Log, { readRange }) })
    expect(findings.find((finding) => finding.subject === 'views')).toMatchObject({
      state: 'warning',
      message: 'topic views partition 1: its last records cannot be read: no such luck',
    })
  })
})
