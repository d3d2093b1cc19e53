/** Commands whose reader leaves, as `| head` does: they end with 0 and without a word, and what they do is done. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

let program: Program
let dir: TempDir
let server: Server | undefined
beforeAll(async () => {
  program = await buildProgram()
})
afterAll(() => program.remove())
beforeEach(async () => {
  dir = await tempDir()
})
afterEach(async () => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
  await dir.remove()
})

/** What `postview ARGS | READER` gives, with its exit code as the last line of stderr. */
function piped(reader: string, ...args: readonly string[]) {
  const words = [process.execPath, join(program.folder, 'dist/cli/main.js'), ...args]
  const env = { ...process.env, TMPDIR: dir.path, POSTVIEW_DATA_DIR: join(dir.path, 'data') }
  const line = `{ "$@"; echo "rc $?" >&2; } | ${reader}`
  return promisify(execFile)('sh', ['-c', line, 'sh', ...words], { cwd: program.folder, env })
}

it('what is done for its own sake is done', async () => {
  const out = join(dir.path, 'out')
  const { stderr } = await piped('true', 'generate', '--out-dir', out, '--views', '3000')
  expect(stderr).toBe('rc 0\n')
  expect((await readFile(join(out, 'answer.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3000)
})

it('what follows ends', async () => {
  const sample = { sample_id: 's-1', user_id: 'u', item_id: 'i', labels: {} }
  const answer = { samples: [{ producedAtMs: 1, sample }], cursor: '0:1', skipped: 0, filtered: 0 }
  server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { stdout, stderr } = await piped('head -n 1', 'inspect', 'tail', '--follow', '--url', url)
  expect(stdout).toContain('s-1 user=u')
  expect(stderr).toBe('rc 0\n')
})

it.each(['true', 'head -n 1'])('the demonstration ends, and leaves no folder behind (| %s)', async (reader) => {
  const { stderr } = await piped(reader, 'demo', '--views', '20000')
  expect(stderr).toBe('rc 0\n')
  expect((await readdir(dir.path)).filter((name) => name.startsWith('postview-demo-'))).toEqual([])
})
