/** Settings of a node's process: set where the user has set none, and once. */
import { describe, expect, test, vi } from 'vitest'
import { beginAnew, nodeSettings } from '../../src/cluster/processSettings.ts'

const TUNED = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '2' }
const YOUNG = '--max-semi-space-size=8'

describe('the settings of a node', () => {
  test('come after the flags that are there', () => {
    const { execArgv, env } = nodeSettings({ execArgv: ['--cpu-prof'], env: { PATH: '/bin' } })
    expect(execArgv).toEqual(['--cpu-prof', YOUNG])
    expect(env).toEqual({ PATH: '/bin', ...TUNED })
  })

  test.each([
    { execArgv: ['--max-semi-space-size=64'], env: {} },
    { execArgv: ['--min_semi_space_size=16'], env: {} },
    { execArgv: [], env: { NODE_OPTIONS: '--no-warnings --max-semi-space-size=64' } },
  ])('leave a young generation that the user has set', (given) => {
    expect(nodeSettings(given).execArgv).toEqual(given.execArgv)
  })

  test("leave the user's own of the C library", () => {
    expect(nodeSettings({ execArgv: [], env: { MALLOC_ARENA_MAX: '8' } }).env).toEqual({
      ...TUNED,
      MALLOC_ARENA_MAX: '8',
    })
  })
})

describe('a process', () => {
  function fake(env: NodeJS.ProcessEnv, execve?: unknown): NodeJS.Process {
    const argv = ['/bin/node', '/app/cluster.js', 'cluster', 'start', '--id', 'a']
    return { execPath: '/bin/node', execArgv: ['--inspect'], argv, env, execve } as unknown as NodeJS.Process
  }

  test('begins anew as the program, with its arguments', () => {
    const execve = vi.fn()
    beginAnew(fake({ PATH: '/bin' }, execve), '/app/main.js')
    const args = ['/bin/node', '--inspect', YOUNG, '/app/main.js', 'cluster', 'start', '--id', 'a']
    expect(execve).toHaveBeenCalledExactlyOnceWith('/bin/node', args, { PATH: '/bin', ...TUNED })
  })

  test('does so once, and not where Node cannot', () => {
    const execve = vi.fn()
    beginAnew(fake({ MALLOC_MMAP_THRESHOLD_: '262144' }, execve), '/app/main.js')
    // As the system may leave it of what was set: nothing in the environment.
    beginAnew({ ...fake({}, execve), execArgv: [YOUNG] }, '/app/main.js')
    beginAnew({ ...fake({}, execve), channel: {} } as NodeJS.Process, '/app/main.js')
    expect(execve).not.toHaveBeenCalled()
    const forbidden = (): never => {
      throw new Error('not on this platform')
    }
    expect(() => beginAnew(fake({}, forbidden), '/app/main.js')).not.toThrow()
    expect(() => beginAnew(fake({}), '/app/main.js')).not.toThrow()
  })
})
