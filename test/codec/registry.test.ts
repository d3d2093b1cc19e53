import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ABSENT_MS, RegistryClient, RegistryError } from '../../src/codec/registry.ts'
import { FakeRegistry } from './fakeRegistry.ts'

let server: FakeRegistry
beforeEach(async () => {
  server = new FakeRegistry()
  await server.start()
})
afterEach(() => server.stop())

describe('a schema by its id', () => {
  test('is asked for once, however many wait for it', async () => {
    server.set(7, 'string')
    const client = new RegistryClient({ url: `${server.url}/` })
    const answers = await Promise.all([client.schemaOf(7), client.schemaOf(7), client.schemaOf(7)])
    answers.push(await client.schemaOf(7))
    expect(answers).toEqual(Array(4).fill({ schema: 'string' }))
    expect(server.requests).toEqual(['GET /schemas/ids/7'])
  })

  test('that the registry does not have is an answer, and asked for once', async () => {
    const client = new RegistryClient({ url: server.url })
    const answers = [await client.schemaOf(8), await client.schemaOf(8)]
    expect(answers).toEqual(Array(2).fill({ reason: 'the schema registry has no schema 8' }))
    expect(server.requests).toHaveLength(1)
  })

  test('that the registry did not have is asked for again after a while, and then known', async () => {
    let nowMs = 5
    const client = new RegistryClient({ url: server.url }, { monotonicMs: () => nowMs })
    await client.schemaOf(8)
    server.set(8, 'string')
    nowMs += ABSENT_MS - 1
    expect(await client.schemaOf(8)).toEqual({ reason: 'the schema registry has no schema 8' })
    nowMs++
    expect(await client.schemaOf(8)).toEqual({ schema: 'string' })
    nowMs += 2 * ABSENT_MS
    expect(await client.schemaOf(8)).toEqual({ schema: 'string' })
    expect(server.requests).toHaveLength(2)
  })

  test('that is no Avro, or refers to others, is an answer', async () => {
    server.set(1, 'string', { schemaType: 'PROTOBUF' })
    server.set(2, 'string', { references: [{ name: 'a', subject: 's', version: 1 }] })
    const client = new RegistryClient({ url: server.url })
    expect(await client.schemaOf(1)).toEqual({ reason: "the registry's schema 1 is PROTOBUF, not AVRO" })
    expect(await client.schemaOf(2)).toEqual({ reason: "the registry's schema 2 has references, which are not read" })
  })

  test('is asked for again after a failure', async () => {
    server.set(7, 'string')
    const client = new RegistryClient({ url: server.url })
    server.fault = (_, response) => {
      response.writeHead(503).end('no')
      return true
    }
    await expect(client.schemaOf(7)).rejects.toThrow('the schema registry answered 503 to /schemas/ids/7')
    server.fault = undefined
    expect(await client.schemaOf(7)).toEqual({ schema: 'string' })
  })
})

describe('credentials', () => {
  test('go as basic authentication, and into no message', async () => {
    const client = new RegistryClient({ url: server.url, username: 'me', password: 'se:cret' })
    await client.schemaOf(1)
    expect(server.authorizations).toEqual([`Basic ${Buffer.from('me:se:cret').toString('base64')}`])
    server.fault = (_, response) => {
      response.writeHead(401).end('{"message":"who are you?"}')
      return true
    }
    const error = await client.schemaOf(2).catch((thrown: Error) => thrown)
    expect(error).toBeInstanceOf(RegistryError)
    expect((error as Error).message).toBe('the schema registry answered 401 to /schemas/ids/2: who are you?')
    expect(JSON.stringify(error) + (error as Error).stack).not.toContain('cret')
  })
})

describe('what fails', () => {
  test('a connection that the registry drops is tried once more', async () => {
    server.set(1, 'string')
    let drops = 1
    server.fault = (request) => {
      if (drops-- <= 0) return false
      request.socket.destroy()
      return true
    }
    const client = new RegistryClient({ url: server.url })
    expect(await client.schemaOf(1)).toEqual({ schema: 'string' })
    drops = 2
    await expect(client.schemaOf(2)).rejects.toThrow('cannot be reached')
  })

  test('a registry that is not there, rejects', async () => {
    await server.stop()
    await expect(new RegistryClient({ url: server.url }).schemaOf(1)).rejects.toThrow(
      /cannot be reached \(GET \/schemas\/ids\/1\): ECONNREFUSED/,
    )
    await server.start()
  })

  test('one that does not answer, rejects in time', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const client = new RegistryClient({ url: `http://127.0.0.1:${port}` }, { timeoutMs: 50 })
    await expect(client.schemaOf(1)).rejects.toThrow('no answer within 50 ms')
    silent.close()
  })

  test('an answer that is no JSON, or too long, rejects', async () => {
    const client = new RegistryClient({ url: server.url })
    server.fault = (_, response) => {
      response.end('<html>')
      return true
    }
    await expect(client.schemaOf(1)).rejects.toThrow('answer to /schemas/ids/1 is not JSON')
    server.fault = (_, response) => {
      response.end(Buffer.alloc(5 * 1024 * 1024, 0x20))
      return true
    }
    await expect(client.schemaOf(1)).rejects.toThrow('its answer is over 4194304 bytes')
  })
})

describe('subjects', () => {
  test('a schema is registered once, and again after a failure', async () => {
    const client = new RegistryClient({ url: server.url })
    const schema = { type: 'record', name: 'S', fields: [] }
    server.fault = (_, response) => {
      response.writeHead(409).end('{"error_code":409,"message":"incompatible"}')
      return true
    }
    await expect(client.register('out/x-value', schema)).rejects.toThrow(/answered 409 .*: incompatible/)
    server.fault = undefined
    const [a, b] = await Promise.all([client.register('out/x-value', schema), client.register('out/x-value', schema)])
    expect(a).toBe(b)
    expect(server.registered('out/x-value')).toEqual([[a, schema]])
    expect(server.requests).toHaveLength(2)
    expect(await client.latest('out/x-value')).toEqual(schema)
    expect(await client.latest('other')).toBeNull()
  })
})
