/** Sockets to brokers: what they tell kafkajs, and what becomes of a peer that speaks something else. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { socketFactory } from '../../../src/log/kafka/socket.ts'

function framed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

describe('a socket', () => {
  let server: Server
  afterEach(() => new Promise((resolve) => server.close(resolve)))

  async function connected(onClient: (client: Socket) => void): Promise<Socket> {
    server = createServer(onClient).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return new Promise((resolve) => {
      const socket = socketFactory({
        host: '127.0.0.1',
        port,
        ssl: undefined as never,
        onConnect: () => resolve(socket),
      })
    })
  }

  test('tells frames as data, then the end', async () => {
    const large = framed(Buffer.alloc(3_000_000, 7))
    const socket = await connected((client) => client.end(Buffer.concat([framed(Buffer.from('a')), large])))
    const seen: Buffer[] = []
    socket.on('data', (frame) => seen.push(frame as Buffer))
    await once(socket, 'end')
    expect(seen.map((frame) => frame.length)).toEqual([5, large.length])
    expect(seen[1].equals(large)).toBe(true)
    socket.end()
  })

  test('is ended with an error where the peer speaks another protocol', async () => {
    const socket = await connected((client) => {
      client.on('error', () => {})
      client.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    socket.on('data', () => {})
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toMatch(/127\.0\.0\.1:\d+ does not speak Kafka's protocol: an answer of 1213486160 bytes/)
  })
})
