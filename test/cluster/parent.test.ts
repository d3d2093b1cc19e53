/** A parent with real child processes, of a small program that does as it is told. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runNodes } from '../../src/cluster/parent.ts'
import { reachedAt } from '../../src/cluster/reach.ts'
import { CRASHES_IN_A_ROW, LONGEST_WAIT_MS, Restarts, STEADY_MS } from '../../src/cluster/restarts.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const CHILD = `
const [how] = process.argv.slice(2)
let told = 0
process.on('SIGTERM', () => {
  console.log('told to stop')
  if (how !== 'stays' || ++told === 2) process.exit(how === 'bad end' || how === 'stays' ? 1 : 0)
})
console.log('{"pid":' + process.pid + ',"restarts":' + (process.env.POSTVIEW_RESTARTS ?? 0) + '}')
console.error(how + ' begins')
process.on('disconnect', () => process.exit(0))
if (how === 'wrong use') process.exit(2)
if (how === 'crash' && process.env.POSTVIEW_RESTARTS === '0') process.kill(process.pid, 'SIGKILL')
setInterval(() => {}, 1000)
`
const WAIT = { timeout: 20_000, interval: 20 }

let dir: TempDir
let program: string
beforeEach(async () => {
  dir = await tempDir()
  program = join(dir.path, 'child.mjs')
  await writeFile(program, CHILD)
})
afterEach(() => dir.remove())

function start(...hows: string[]) {
  const told: string[] = []
  const out = new PassThrough()
  let text = ''
  out.on('data', (data: Buffer) => {
    text += data.toString()
  })
  const log = (fields: object, message: string): void => void told.push(`${message} ${JSON.stringify(fields)}`)
  const children = hows.map((how, i) => ({ id: `n-${i + 1}`, args: [how], env: {} }))
  const logger = { info: log, warn: log, error: log }
  const ended = runNodes({ children, logger, program, stdout: out, stderr: out })
  const lines = () => text.split('\n').filter((line) => line !== '')
  const begun = () => lines().filter((line) => line.includes('begins')).length
  return { ended, told, lines, begun }
}

describe('a parent of several nodes', () => {
  it('passes on what they say, tells them to stop, and ends with 0 when all have', async () => {
    const { ended, lines, begun } = start('a', 'b')
    await vi.waitUntil(() => begun() === 2, WAIT)
    process.emit('SIGTERM', 'SIGTERM')
    expect(await ended).toBe(0)
    expect(lines().filter((line) => line.startsWith('{')).length).toBe(2)
    expect(lines()).toEqual(expect.arrayContaining(['[n-1] a begins', '[n-2] b begins', '[n-1] told to stop']))
  })

  it('ends with 1 when one did not end cleanly', async () => {
    const { ended, begun } = start('a', 'bad end')
    await vi.waitUntil(() => begun() === 2, WAIT)
    process.emit('SIGINT', 'SIGINT')
    expect(await ended).toBe(1)
  })

  it('passes a signal on once, however often it comes at a time, and a later one again', async () => {
    const { ended, lines, begun } = start('stays')
    const told = () => lines().filter((line) => line.includes('told to stop')).length
    await vi.waitUntil(() => begun() === 1, WAIT)
    for (let i = 0; i < 3; i++) process.emit('SIGTERM', 'SIGTERM')
    await vi.waitUntil(() => told() === 1, WAIT)
    process.emit('SIGINT', 'SIGINT')
    const again = setInterval(() => process.emit('SIGINT', 'SIGINT'), 20)
    expect(await ended.finally(() => clearInterval(again))).toBe(1)
    expect(told()).toBe(2)
  })

  it('starts one that crashed again, and counts it', async () => {
    const { ended, told, lines, begun } = start('crash', 'b')
    await vi.waitUntil(() => begun() === 3, WAIT)
    expect(lines().some((line) => line.includes('"restarts":1'))).toBe(true)
    expect(told[0]).toMatch(/crashed.*"node":"n-1".*"ended":"SIGKILL".*"restarts":1,"waitMs":1000/)
    process.emit('SIGTERM', 'SIGTERM')
    expect(await ended).toBe(0)
  })

  it('ends all with 2 over wrong use, which would end the same way each time', async () => {
    expect(await start('wrong use', 'b').ended).toBe(2)
  })

  it('is not outlived by its nodes, also when it is killed', async () => {
    const parent = join(dir.path, 'parent.mjs')
    await writeFile(
      parent,
      `import { fork } from 'node:child_process'
       fork(${JSON.stringify(program)}, ['a'], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })`,
    )
    const child: ChildProcess = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(child.stdout!, 'data')) as [Buffer]
    const { pid } = JSON.parse(said.toString()) as { pid: number }
    child.kill('SIGKILL')
    await vi.waitUntil(() => !isAlive(pid), WAIT)
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('restarts', () => {
  it('wait longer each time, up to a limit, and end after so many in a row', () => {
    const restarts = new Restarts()
    const waits = Array.from({ length: CRASHES_IN_A_ROW }, () => restarts.crashed(10))
    expect(waits.slice(0, 4)).toEqual([1000, 2000, 4000, 8000])
    expect(Math.max(...(waits as number[]))).toBe(LONGEST_WAIT_MS)
    expect(restarts.crashed(10)).toBeNull()
    expect(restarts.count).toBe(CRASHES_IN_A_ROW)
  })

  it('begin anew after a node has run for a while', () => {
    const restarts = new Restarts()
    restarts.crashed(10)
    restarts.crashed(10)
    expect(restarts.crashed(STEADY_MS)).toBe(1000)
    expect(restarts.count).toBe(3)
  })
})

describe('where others reach a node', () => {
  it('is where it listens, or by the name that it is given, or by that of its machine', () => {
    expect(reachedAt('http://127.0.0.1:7401', { host: '127.0.0.1' })).toBe('http://127.0.0.1:7401')
    expect(reachedAt('http://127.0.0.1:7401', { host: '0.0.0.0' }, 'box')).toBe('http://box:7401')
    expect(reachedAt('http://10.0.0.7:7401', { host: '10.0.0.7', advertise: 'n1.example' })).toBe(
      'http://n1.example:7401',
    )
  })
})
