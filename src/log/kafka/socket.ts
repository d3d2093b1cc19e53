/**
 * Sockets to brokers, whose answers come whole (frames.ts), and whose reads land in one buffer that is used again and
 * again.
 *
 * Left to itself, a socket takes 64 KiB of memory a read, and kafkajs joins what it took into one more copy: garbage that
 * lies outside V8's heap, which V8 collects when some 60 MB of it have gathered.
 *
 * How it fails: who answers with something that is no frame (another protocol, TLS where none was asked for) is
 * disconnected with an error that says so.
 */
import { connect, type Socket } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { Frames } from './frames.ts'
import { defaultSocketFactory } from './patch.ts'

const KEEP_ALIVE_DELAY_MS = 60_000
const READ_BYTES = 256 << 10

/** With TLS, kafkajs's own sockets, whose answers are not framed here and are left to the collector. */
export const socketFactory: ISocketFactory = (options) => {
  const { host, port, ssl, onConnect } = options
  return ssl ? defaultSocketFactory(options) : framedSocket(host, port, onConnect)
}

function framedSocket(host: string, port: number, onConnect: () => void): Socket {
  const frames = new Frames()
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const callback = (length: number): boolean => {
    for (const frame of whole(buffer.subarray(0, length))) socket.emit('data', frame)
    return true
  }
  const whole = (read: Buffer): Buffer[] => {
    try {
      return frames.take(read)
    } catch (error) {
      socket.destroy(new Error(`${host}:${port} does not speak Kafka's protocol: ${(error as Error).message}`))
      return []
    }
  }
  const socket = connect({ host, port, onread: { buffer, callback } }, onConnect)
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  return socket
}
