/**
 * The shell against a real node: lines piped in, a terminal's keys, and each command once through `postview inspect`; and
 * `postview explain` when the node is gone.
 */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askAny } from '../../src/cli/ask.ts'
import type { ControlServer } from '../../src/inspect/server.ts'
import { COMMANDS } from '../../src/shell/commands.ts'
import { runRepl } from '../../src/shell/repl.ts'
import { run } from '../cli/run.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

let world: InsideWorld
let server: ControlServer
let dir: TempDir
let sampleId = ''
let userId = ''

beforeAll(async () => {
  dir = await tempDir()
  world = await InsideWorld.open()
  const answers = await world.generate({ views: 300, users: 10 })
  server = await world.serve()
  await world.reached('samples', answers.size)
  const { users } = (await ask('/users?limit=1')) as { users: { user: string }[] }
  userId = users[0].user
  sampleId = [...answers.keys()][5]
  // Commands find the node by its address in the data folder.
  process.env.POSTVIEW_DATA_DIR = world.config.node.dataDir
}, 120_000)

afterAll(async () => {
  delete process.env.POSTVIEW_DATA_DIR
  await server.close()
  await world.close()
  await dir.remove()
})

const ask = (path: string): Promise<unknown> => askAny(path, { config: 'config', url: server.url }, 10_000)

/** What the shell writes for these lines, as from a pipe. */
async function piped(...lines: readonly string[]): Promise<string> {
  const input = new PassThrough()
  const output = new PassThrough()
  const written: Buffer[] = []
  output.on('data', (bytes: Buffer) => written.push(bytes))
  const done = runRepl({ ask, input, output, env: {}, nowMs: () => performance.now() })
  input.end(`${lines.join('\n')}\n`)
  await done
  return Buffer.concat(written).toString()
}

describe('lines that are piped in', () => {
  test('are done one after the other, without colours or prompts', async () => {
    const text = await piped(`user ${userId}`, 'ledger', 'cluster')
    expect(text).not.toContain('\x1b')
    expect(text).not.toContain('postview>')
    const at = [`user ${userId}: live`, 'it balances', 'group postview-feed'].map((part) => text.indexOf(part))
    expect(at.every((place) => place >= 0)).toBe(true)
    expect(at).toEqual([...at].sort((a, b) => a - b))
  })

  test('that make no sense are told in a line, and the next is done', async () => {
    const text = await piped('nonsense', 'user', 'users --hot --oldest', 'partition 99', 'user "open', 'dead')
    expect(text).toContain("unknown command 'nonsense'")
    expect(text).toContain("missing required argument 'id'")
    expect(text).toContain('--hot, --bytes and --oldest: one of them')
    expect(text).toContain('there is no partition 99: they are 0 to 3')
    expect(text).toContain('a quote is not closed')
    expect(text).toContain('samples-dead-letters is empty')
  })

  test('are words, never code', async () => {
    const text = await piped('process.exit(7)', '.load /etc/passwd', '1 + 1')
    expect(text).toContain("unknown command 'process.exit(7)'")
    expect(text).not.toContain('root:')
    expect(text).not.toMatch(/^2$/m)
  })

  test('ask for help, with an example of each command', async () => {
    expect(await piped('help')).toMatch(/cluster[\s\S]*partitions[\s\S]*config/)
    for (const { name, example } of COMMANDS) expect(await piped(`help ${name}`)).toContain(`Example: ${example}`)
  })

  test('repeat as often as they say, and end with `exit`', async () => {
    const text = await piped('watch --every 100ms --times 3 partitions', 'exit', 'ledger')
    expect(text.split('LEDGER IS OFF').length).toBe(1)
    expect(text.match(/records\/s/g)).toHaveLength(3)
    expect(text).not.toContain('it balances')
  })

  test('follow samples until they have had their looks', async () => {
    const text = await piped('tail --rate 4 --follow --times 2')
    expect(text.trim().split('\n')).toHaveLength(5)
    expect(text).toContain('no sample')
  })
})

test('ends once nobody reads what it writes, whatever is typed or repeated', async () => {
  const input = new PassThrough()
  const output = new PassThrough()
  const reader = new AbortController()
  const { signal } = reader
  output.on('data', () => reader.abort())
  const done = runRepl({ ask, input, output, env: {}, nowMs: () => performance.now(), signal })
  input.write('watch --every 100ms ledger\nledger\n')
  await done
})

test('what repeats goes on where a node did not answer for a while, and ends where it never did', async () => {
  let asked = 0
  const output = new PassThrough()
  const written: Buffer[] = []
  output.on('data', (bytes: Buffer) => written.push(bytes))
  const flaky = async (path: string): Promise<unknown> => {
    asked++
    if (asked === 2 || asked > 3) throw new Error('no node answers: it is away')
    return ask(path)
  }
  const input = new PassThrough()
  const done = runRepl({ ask: flaky, input, output, env: {}, nowMs: () => performance.now() })
  input.end('watch --every 100ms --times 3 ledger\nwatch --every 100ms --times 3 ledger\n')
  await done
  const text = Buffer.concat(written).toString()
  expect(text.match(/it balances|no node answers/g)).toEqual([
    'it balances',
    'no node answers',
    'it balances',
    'no node answers',
  ])
  expect(asked).toBe(4)
})

test('in a terminal, Tab completes, Ctrl-C ends what repeats, and history is kept between runs', async () => {
  const historyFile = join(dir.path, 'history')
  const session = async (act: (type: (keys: string) => Promise<void>, text: () => string) => Promise<void>) => {
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input })
    const output = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 30 })
    let written = ''
    output.on('data', (bytes: Buffer) => (written += bytes.toString()))
    const done = runRepl({ ask, input, output, env: { TERM: 'xterm' }, historyFile, nowMs: () => performance.now() })
    const type = async (keys: string): Promise<void> => {
      for (const key of keys) {
        input.write(key)
        await sleep(20)
      }
    }
    await sleep(300)
    await act(type, () => written)
    input.write('\x04')
    await done
    return written
  }
  const seen = async (text: () => string, wanted: string, from = 0): Promise<void> => {
    for (let looks = 0; looks < 200 && !text().slice(from).includes(wanted); looks++) await sleep(50)
    expect(text().slice(from)).toContain(wanted)
  }
  await session(async (type, text) => {
    await seen(text, 'postview> ')
    await type('led\t')
    await seen(text, 'ledger ')
    await type('\r')
    await seen(text, 'it balances')
    const before = text().length
    await type('watch --every 100ms dead\r')
    await seen(text, '\x1b[2J', before)
    await type('\x03')
    const after = text().length
    await type('cluster\r')
    await seen(text, 'group postview-feed', after)
    expect(text()).toContain('\x1b[1m')
  })
  const second = await session(async (type, text) => {
    await seen(text, 'postview> ')
    const before = text().length
    await type('\x10')
    await seen(text, 'cluster', before)
    await type('\x15')
  })
  expect(second).toContain('Looks inside')
}, 60_000)

describe('postview inspect', () => {
  const words: Readonly<Record<string, readonly string[]>> = { partition: ['0'] }

  test.each(COMMANDS.map(({ name }) => name))('%s answers once, in words and as JSON', async (name) => {
    const own = { user: [userId], explain: [sampleId], sample: [sampleId], ...words } as Record<
      string,
      readonly string[]
    >
    const given = ['inspect', name, ...(own[name] ?? []), '--url', server.url]
    const { stdout } = await run(...given)
    expect(stdout.length).toBeGreaterThan(10)
    const { stdout: json } = await run(...given, '--json')
    expect(typeof JSON.parse(json)).toBe('object')
  })

  // What one line says of one thing may be longer, and a configuration is as it is.
  test.each(COMMANDS.filter(({ name }) => name !== 'tail' && name !== 'config'))(
    '$name fits a terminal of 80 columns',
    async ({ name, path, render, argument }) => {
      const what = { partition: '0', user: userId, sample: sampleId }[argument?.what ?? 'partition']
      const text = render((await ask(path(what, {}))) as never, { width: 80, colour: false })
      expect(text.split('\n').filter((line) => line.length > 80)).toEqual([])
      if (name !== 'dead') expect(text.length).toBeGreaterThan(50)
    },
  )

  test('finds the node by its address', async () => {
    expect((await run('inspect', 'cluster')).stdout).toContain('node-1')
  })

  test('refuses what it does not know', async () => {
    await expect(run('inspect', 'partition', '77')).rejects.toThrow('there is no partition 77')
    await expect(run('inspect', 'cluster', '--url', 'http://127.0.0.1:1')).rejects.toThrow('no node answers')
  })
})

test('postview explain asks the node, and without one reads the log', async () => {
  const asked = await run('explain', sampleId)
  expect(asked.stdout).toContain(`sample ${sampleId}: sealed`)
  expect(asked.exitCode).toBeUndefined()
  const none = await run('explain', 'no such sample', '--json')
  expect(none.exitCode).toBe(1)
  expect(JSON.parse(none.stdout)).toMatchObject({ status: 'notFound' })
  await server.close()
  await world.release()
  const read = await run('explain', sampleId)
  // How long it took and by which way is another; all else is the same.
  const lines = (text: string): string[] => text.split('\n').filter((line) => !/^found |^$/.test(line))
  expect(lines(read.stdout)).toEqual(lines(asked.stdout))
  const ledger = await run('ledger', '--json')
  expect(JSON.parse(ledger.stdout)).toMatchObject({ from: 'commits', balances: true })
})
