/**
 * The control server against those who should not be there: every route that it has, found by asking it for them, without
 * a token, with wrong ones and with one of another role; and clients that send too much, too slowly, too often.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ControlConfig } from '../../src/config/model.ts'
import { CONNECTIONS_OF_ONE_MAX } from '../../src/inspect/connections.ts'
import { type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import type { Log } from '../../src/log/port.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { CONTROL, fakeNode, fakePartition, readers } from './fakeNode.ts'

const TOKENS = {
  read: ['read-token-of-length'],
  operate: ['operate-token-of-length'],
  privileged: ['privileged-token-of-length'],
}
const SECRETS = Object.values(TOKENS).flat()
const MIB = 2 ** 20

let dir: TempDir
let server: ControlServer
let logged: string[]
beforeEach(async () => {
  dir = await tempDir()
  logged = []
})
afterEach(async () => {
  await server.close()
  await dir.remove()
})

const IMPATIENT = { headersMs: 1000, requestMs: 2000 }

async function start(
  control: Partial<ControlConfig> = { tokens: TOKENS },
  nowMs?: () => number,
  timeouts = IMPATIENT,
): Promise<string> {
  const keep = (fields: object, message: string): void => void logged.push(JSON.stringify({ ...fields, message }))
  server = await startControlServer({
    node: fakeNode([fakePartition(0)], {
      log: { kind: 'embedded', topics: async () => [], committed: async () => [] } as unknown as Log,
    }),
    timeouts,
    readers,
    control: { ...CONTROL, ...control },
    dataDir: dir.path,
    version: '1.2.3',
    logger: { warn: keep, error: keep },
    clock: { wallMs: () => 1_700_000_000_000, monotonicMs: nowMs ?? (() => performance.now()) },
  })
  return server.url
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A path of this route that a client could ask for. */
const pathOf = (path: string): string => path.replace(/:\w+/g, 'views').replace('*', 'x')

interface Answer {
  readonly status: number
  readonly body: string
}

async function ask(url: string, method: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { method, headers })
  return { status: response.status, body: await response.text() }
}

/** What a raw connection hears until it is closed; `send` may go on writing while it listens. */
async function raw(url: string, send: (socket: Socket) => void, limitMs = 20_000): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let heard = ''
  socket.on('data', (data) => {
    heard += data.toString()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  send(socket)
  const limit = setTimeout(() => {
    heard = `nothing came to an end: ${heard}`
    socket.destroy()
  }, limitMs)
  await closed
  clearTimeout(limit)
  return heard
}

describe('a route', () => {
  it('that is not public answers nobody without a token, with a wrong one, or with one of another role', async () => {
    const url = await start()
    const routes = server.routes.filter(({ role }) => role !== 'public')
    expect(routes.map(({ method, path }) => `${method} ${path}`)).toEqual(
      expect.arrayContaining(['GET /status', 'GET /metrics', 'GET /ledger', 'POST /topics/:topic']),
    )
    for (const { method, path, role } of routes) {
      const at = `${url}${pathOf(path)}`
      const name = `${method} ${path}`
      const other = role === 'read' ? TOKENS.operate[0] : TOKENS.read[0]
      for (const headers of [{}, bearer('wrong-token-of-length'), bearer(`${TOKENS.read[0]}x`)]) {
        expect((await ask(at, method, headers)).status, name).toBe(401)
      }
      const refused = await ask(at, method, bearer(other))
      expect(refused.status, name).toBe(403)
      if (method !== 'HEAD') expect(JSON.parse(refused.body), name).toEqual({ error: expect.stringContaining(role) })
      expect([401, 403], name).not.toContain((await ask(at, method, bearer(TOKENS[role as 'read'][0]))).status)
    }
    expect(logged).toEqual([])
  })

  it('that holds no data is public, and no others are', async () => {
    const url = await start()
    const open = server.routes.filter(({ role }) => role === 'public').map(({ path }) => path)
    expect(open).toEqual(expect.arrayContaining(['/health', '/ready']))
    for (const path of open) {
      const { status, body } = await ask(`${url}${path}`, 'GET')
      expect([200, 503], path).toContain(status)
      for (const secret of SECRETS) expect(body).not.toContain(secret)
    }
  })

  it('that does not exist looks to a stranger like one that does', async () => {
    const url = await start()
    expect(await ask(`${url}/nothing`, 'GET')).toEqual(await ask(`${url}/status`, 'GET'))
    expect((await ask(`${url}/nothing`, 'GET', bearer(TOKENS.read[0]))).status).toBe(404)
  })

  it('is not reached by other methods, nor asked by pages of other origins', async () => {
    const url = await start()
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect((await ask(`${url}/status`, method, bearer(TOKENS.read[0]))).status, method).toBe(403)
      expect((await ask(`${url}/status`, method, bearer(TOKENS.operate[0]))).status, method).toBe(404)
    }
    const evil = { ...bearer(TOKENS.operate[0]), origin: 'https://evil.example', 'content-type': 'application/json' }
    expect((await ask(`${url}/topics/views`, 'POST', evil)).status).toBe(403)
    expect((await ask(`${url}/status`, 'GET', { ...bearer(TOKENS.read[0]), origin: 'null' })).status).toBe(403)
    expect((await ask(`${url}/status`, 'GET', { ...bearer(TOKENS.read[0]), origin: url })).status).toBe(200)
  })
})

describe('beyond loopback', () => {
  it('it listens with tokens, whatever name it is called by, and answers nobody without', async () => {
    const url = await start({ host: '0.0.0.0', tokens: TOKENS })
    const at = (token: string) =>
      raw(url, (socket) =>
        socket.write(`GET /status HTTP/1.1\r\nHost: postview.example\r\nConnection: close\r\n${token}\r\n`),
      )
    expect(await at('')).toMatch(/^HTTP\/1.1 401 /)
    expect(await at(`Authorization: Bearer ${TOKENS.read[0]}\r\n`)).toMatch(/^HTTP\/1.1 200 /)
  })
})

describe('traversal', () => {
  it.each([
    '/../../etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/package.json',
    '/page/../../package.json',
    '/..\\..\\package.json',
    '//etc/passwd',
    '/topics/../status/../../x',
    '/%00',
    '/%E0%A4%A',
  ])('%s is not there', async (path) => {
    const url = await start()
    const heard = await raw(url, (socket) =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
          `Authorization: Bearer ${TOKENS.read[0]}\r\n\r\n`,
      ),
    )
    expect(heard).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(heard).not.toMatch(/root:|"name": "postview"/)
    expect(logged).toEqual([])
  })
})

describe('too much', () => {
  it.each([
    ['said beforehand, without a token', '', 401],
    ['said beforehand', `Authorization: Bearer ${TOKENS.operate[0]}\r\n`, 413],
    ['in pieces, without a token', undefined, 401],
  ])('a body of 1 GiB, %s, is refused before it has come', async (_, header, status) => {
    const url = await start()
    const size = header === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${1024 * MIB}`
    let sentBytes = 0
    const piece = Buffer.alloc(MIB, 'x')
    const heard = await raw(url, (socket) => {
      socket.write(
        `POST /topics/views HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n${size}\r\n${header ?? ''}\r\n`,
      )
      const goOn = (): void => {
        while (!socket.destroyed && sentBytes < 1024 * MIB) {
          sentBytes += piece.length
          const framed = header === undefined ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece
          if (!socket.write(framed)) return
        }
      }
      socket.on('drain', goOn)
      // The answer first: what is still under way when the connection goes may take it along.
      socket.once('data', goOn)
    })
    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(sentBytes).toBeLessThan(16 * MIB)
  })

  it('headers beyond their limit are refused', async () => {
    const url = await start()
    const heard = await raw(url, (socket) =>
      socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`),
    )
    expect(heard).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('a GET with a body is refused, and its connection closed', async () => {
    const url = await start()
    const heard = await raw(url, (socket) =>
      socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${1024 * MIB}\r\n\r\nxxxx`),
    )
    expect(heard).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('too slow', () => {
  it.each([
    ['head', 'GET /health HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n'],
    [
      'body',
      'POST /topics/views HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n' +
        `Authorization: Bearer ${TOKENS.operate[0]}\r\nContent-Length: 1000\r\n\r\n`,
      '{}\n',
    ],
  ])('a %s that does not come to its end is cut off, and meanwhile others are answered', async (_, begin, more) => {
    const url = await start()
    const dripping = raw(url, (socket) => {
      socket.write(begin)
      const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : socket.write(more)), 200)
    })
    expect((await ask(`${url}/health`, 'GET')).status).toBe(200)
    expect(await dripping).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  it('connections that say nothing take no more places than one address may have', async () => {
    // None is closed for its silence before all have been looked at.
    const url = await start(undefined, undefined, { headersMs: 20_000, requestMs: 20_000 })
    const port = Number(new URL(url).port)
    const sockets = Array.from({ length: CONNECTIONS_OF_ONE_MAX + 20 }, () => connect(port, '127.0.0.1'))
    for (const socket of sockets) socket.on('error', () => {})
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    const isOver = () => sockets.filter((socket) => !socket.destroyed).length <= CONNECTIONS_OF_ONE_MAX
    while (!isOver()) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sockets.filter((socket) => !socket.destroyed).length).toBe(CONNECTIONS_OF_ONE_MAX)
    for (const socket of sockets) socket.destroy()
    await Promise.all(closed)
    // What was taken is given back.
    expect((await ask(`${url}/health`, 'GET')).status).toBe(200)
  })
})

describe('too often', () => {
  it('is answered 429 with when to come again, each address and role for itself, and is counted', async () => {
    let nowMs = 0
    const url = await start({ tokens: TOKENS, requestsPerS: 10 }, () => nowMs)
    const reader = bearer(TOKENS.read[0])
    const answers: Response[] = []
    for (let round = 0; round < 4; round++) {
      const asked = Array.from({ length: 50 }, () => fetch(`${url}/ledger`, { headers: reader }))
      answers.push(...(await Promise.all(asked)))
    }
    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.filter(({ status }) => status === 200).length).toBe(20)
    expect(refused.length).toBe(180)
    expect(refused.every(({ headers }) => headers.get('retry-after') === '1')).toBe(true)
    expect((await ask(`${url}/ledger`, 'GET', bearer(TOKENS.privileged[0]))).status).toBe(200)
    // Probes are not what a reader used up, and guesses at tokens are bounded too.
    expect((await ask(`${url}/health`, 'GET')).status).toBe(200)
    const guesses = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ask(`${url}/ledger`, 'GET', bearer(`guess-${i}-of-length`))),
    )
    expect(guesses.filter(({ status }) => status === 401).length).toBe(20)
    nowMs += 60_000
    const metrics = await ask(`${url}/metrics`, 'GET', reader)
    expect(metrics.body).toContain('postview_control_refused_total{reason="rate"} 210')
    expect(metrics.body).toContain('postview_control_refused_total{reason="token"} 20')
    expect(logged).toEqual([])
  })
})
