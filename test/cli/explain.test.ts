/** `postview explain` beside a node that has looked through as much as it may: it goes on by itself. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { writeAddress } from '../../src/inspect/address.ts'
import type { Explanation } from '../../src/inspect/explanation.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { configFolder } from './configFolder.ts'
import { run } from './run.ts'

let dir: TempDir
let server: Server
let isCut: boolean
beforeEach(async () => {
  dir = await tempDir()
  isCut = true
  server = createServer((_, response) => {
    const search = { from: 'log', by: 'scan', partition: null, recordsRead: 7, tookMs: 1, ...(isCut && { isCut }) }
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ status: 'notFound', search }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve))
  await dir.remove()
})

it('looks through the whole log where the node has not, and believes the node where it has', async () => {
  const { folder, dataDir } = await configFolder(dir.path, {}, { createTopics: true })
  const size = ['--views', '50', '--users', '5', '--start', '2026-01-01T00:00:00Z']
  await run('generate', '--config', folder, ...size)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeAddress(dataDir, { id: 'node-1', url, pid: process.pid, startedAt: '' })
  const ask = async (): Promise<Explanation> =>
    JSON.parse((await run('explain', 'nobody-s', '--config', folder, '--json')).stdout)
  const told = await ask()
  expect(told).toMatchObject({ status: 'notFound', summary: expect.stringContaining('is in the log') })
  expect(told.search.recordsRead).toBeGreaterThanOrEqual(50)
  isCut = false
  expect(await ask()).toMatchObject({ status: 'notFound', search: { recordsRead: 7 } })
})
