/** What a killed process started is killed too. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { compileTo } from './compiled.ts'
import { tempDir } from './tempDir.ts'

/** Starts two, waits for the end of the first, and tells of the second, which writes to where this one writes. */
const STARTER = `
  import { spawn } from 'node:child_process'
  import { once } from 'node:events'
  import { endsWithUs } from './test/support/orphans.js'
  const start = (seconds) => {
    const child = spawn('sleep', [seconds], { stdio: ['ignore', 'inherit', 'ignore'] })
    endsWithUs(child)
    return child
  }
  await once(start('0'), 'exit')
  start('1000')
  console.log('started')
  setInterval(() => {}, 1000)`

test('a process that is killed leaves none behind that was named', async () => {
  const dir = await tempDir()
  try {
    await compileTo(dir.path, ['test/support/orphans.ts'])
    const starter = join(dir.path, 'starter.js')
    await writeFile(starter, STARTER)
    const child = spawn(process.execPath, [starter], { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child.stdout!, 'close')
    expect(String(await once(child.stdout!, 'data'))).toBe('started\n')
    child.kill('SIGKILL')
    // Once nobody writes to the pipe any more, neither it nor what it started.
    await Promise.race([closed, sleep(20_000).then(() => expect.fail('what it started is still there'))])
  } finally {
    await dir.remove()
  }
})
