/** How the program ends: 1 where it failed, or an answer tells a failure, 2 where it was used wrongly. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildProgram, type Program } from '../support/program.ts'

const SEARCH = { from: 'log', by: 'scan', partition: null, recordsRead: 7, tookMs: 1 }
const NOT_FOUND = { sampleId: 's', status: 'notFound', summary: '', view: null, search: SEARCH }
const NONE = { partitions: [], sources: [], silent: [], unknown: [], lost: [], total: {} }
const ANSWERS: Readonly<Record<string, object>> = {
  '/explain/s': { ...NOT_FOUND, notes: [], engagementsLeftOut: 0 },
  '/ledger/cluster': { ...NONE, balances: false, imbalance: [{ partition: 0, equation: 'views', difference: 1 }] },
  '/users': { inMemory: 0, liveActors: 0, stored: 0, users: [], silent: [] },
}

let program: Program
let server: Server
let url: string
beforeAll(async () => {
  program = await buildProgram()
  server = createServer((request, response) => {
    const found = ANSWERS[request.url!.split('?')[0]]
    response.writeHead(found === undefined ? 500 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(found ?? { error: 'it failed' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await program.remove()
})

async function exitCodeOf(words: string): Promise<number | null> {
  const args = words.replace('URL', url).split(' ')
  const child = spawn(process.execPath, [join(program.folder, 'dist/cli/main.js'), ...args], {
    cwd: program.folder,
    stdio: 'ignore',
  })
  const [code] = await once(child, 'exit')
  return code
}

it.each([
  ['inspect users --url URL', 0],
  ['inspect users --hot --bytes --url URL', 2],
  ['explain s --url URL', 1],
  ['inspect explain s --url URL', 1],
  ['inspect sample s --url URL', 1],
  ['inspect watch --every 100ms --times 2 explain s --url URL', 1],
  ['ledger --url URL', 1],
  ['inspect ledger --url URL --json', 1],
  ['generate --to URL --views 10', 1],
  ['generate --to http://127.0.0.1:1 --views 10', 1],
  ['generate --to nowhere --views 10', 2],
])('postview %s ends with %i', async (words, code) => {
  expect(await exitCodeOf(words)).toBe(code)
})
