/**
 * How many connections the control server has at a time, all together and of one address: what is slow or hangs takes
 * places, and one peer cannot take them all. Beyond the limits a connection is closed as soon as it comes.
 */
import type { Server } from 'node:http'

export const CONNECTIONS_MAX = 256
export const CONNECTIONS_OF_ONE_MAX = 128

export function limitConnections(server: Server): void {
  const open = new Map<string, number>()
  server.maxConnections = CONNECTIONS_MAX
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    open.set(address, count)
    socket.once('close', () => {
      const left = open.get(address)! - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
    if (count > CONNECTIONS_OF_ONE_MAX) socket.destroy()
  })
}
