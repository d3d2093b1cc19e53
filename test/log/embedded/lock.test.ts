import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TempDir, tempDir } from '../../support/tempDir.ts'
import { compileLog } from './compiled.ts'
import { keysIn, numbers, openAt, upTo } from './opened.ts'

/** Opens the log, says so, and appends for ever, saying each offset that was answered. */
const APPENDER = `
import { openEmbeddedLog } from './log/embedded/log.js'
import { RecordBatchBuilder } from './log/recordBatch/builder.js'
const log = await openEmbeddedLog({
  folder: process.argv[2], fsyncMs: 0, segmentBytes: 20000, retentionMs: Infinity, partitions: 1,
}).catch((error) => {
  console.log(error.code, error.message)
  process.exit(1)
})
console.log('open')
await log.createTopics([{ topic: 'views', partitions: 1 }])
const writer = await log.writer()
const builder = new RecordBatchBuilder({ compression: 'lz4' })
for (;;) {
  const [{ high }] = await log.ends(['views'])
  for (let i = high; i < high + 10; i++) builder.add(1000, Buffer.from(String(i)), 0, String(i).length, null, 0, -1)
  console.log((await writer.append('views', 0, builder.finish())) + 10)
}
`

describe('two processes and one folder', () => {
  let code: TempDir
  let data: TempDir
  const children: ChildProcess[] = []

  beforeAll(async () => {
    code = await tempDir()
    data = await tempDir()
    await compileLog(code.path)
    await writeFile(`${code.path}/appender.js`, APPENDER)
  })

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await code.remove()
    await data.remove()
  })

  function appender(): { child: ChildProcess; lines: AsyncIterator<string> } {
    const child = spawn(process.execPath, [`${code.path}/appender.js`, data.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() }
  }

  it('the second is refused with the folder and the number of the first; one killed leaves the folder free and whole', async () => {
    let answered = 0
    for (let round = 0; round < 4; round++) {
      const { child, lines } = appender()
      expect((await lines.next()).value).toBe('open')
      await expect(openAt(data.path)).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringMatching(new RegExp(`${data.path}.*\\b${child.pid}\\b`)),
      })
      const second = appender()
      expect((await second.lines.next()).value).toMatch(new RegExp(`^LOCKED .*\\b${child.pid}\\b`))
      for (let i = 0; i < 20 + round; i++) answered = Math.max(answered, Number((await lines.next()).value))
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    const log = await openAt(data.path)
    const keys = await keysIn(log, 'views')
    expect(answered).toBeGreaterThan(0)
    expect(keys.length).toBeGreaterThanOrEqual(answered)
    expect(keys).toEqual(upTo(keys.length))
    await log.close()
    expect((await readdir(data.path)).filter((name) => name.startsWith('lock'))).toEqual([])
  })

  it('the same process cannot open it twice at a time, but again after closing', async () => {
    const log = await openAt(data.path)
    await expect(openAt(data.path)).rejects.toMatchObject({ code: 'LOCKED' })
    await (await log.writer()).append('views', 0, numbers(0, 1))
    await log.close()
    await (await openAt(data.path)).close()
  })

  it('a lock whose process number lives on as another process is taken over', async () => {
    await writeFile(`${data.path}/lock.${process.ppid}.0123456789abcdef`, '')
    const log = await openAt(data.path)
    expect((await readdir(data.path)).filter((name) => name.startsWith('lock'))).toHaveLength(1)
    await log.close()
  })
})
