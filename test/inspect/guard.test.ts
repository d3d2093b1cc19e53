import { describe, expect, it } from 'vitest'
import { isLoopback, isOwnHost } from '../../src/inspect/guard.ts'

describe('addresses to listen on', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('%s is this machine', (host) => {
    expect(isLoopback(host)).toBe(true)
  })

  it.each(['0.0.0.0', '::', '192.168.0.1', '127.0.0.1.evil.example', 'localhost.evil.example', ''])(
    '%s is not this machine',
    (host) => expect(isLoopback(host)).toBe(false),
  )
})

describe('Host headers', () => {
  it.each(['localhost', 'localhost:7400', '127.0.0.1:80', '[::1]', '[::1]:7400', 'LOCALHOST:1'])(
    '%s is let in',
    (host) => {
      expect(isOwnHost(host, '127.0.0.1')).toBe(true)
    },
  )

  it.each(['evil.example', 'localhost.evil.example:7400', '127.0.0.1.nip.io', '127.0.0.1:80@evil', '10.0.0.1', ''])(
    '%s is refused',
    (host) => expect(isOwnHost(host, '127.0.0.1')).toBe(false),
  )

  it('is refused when there is none', () => {
    expect(isOwnHost(undefined, '127.0.0.1')).toBe(false)
  })

  it('may be the loopback address that the configuration names, and no other', () => {
    expect(isOwnHost('127.0.0.9:7400', '127.0.0.9')).toBe(true)
    expect(isOwnHost('127.0.0.8:7400', '127.0.0.9')).toBe(false)
    expect(isOwnHost('evil.example', 'evil.example')).toBe(false)
  })
})
