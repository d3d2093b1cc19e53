/** Calls that are made again: what a broker says that has just started passes, what stays so is told. */
import { describe, expect, it } from 'vitest'
import { unknownPartition } from '../../../src/log/kafka/errors.ts'
import { persist } from '../../../src/log/kafka/persist.ts'
import { LogError } from '../../../src/log/port.ts'

const calm = { doing: 'appending', logger: undefined, isOver: () => false }

describe('a partition of which the brokers know no leader', () => {
  it('is looked for again, after what is known was asked for anew', async () => {
    let asked = 0
    const call = async (): Promise<string> => {
      if (asked < 2) throw unknownPartition('samples', 3)
      return 'there'
    }
    const recover = async (): Promise<void> => void asked++
    expect(await persist(call, { ...calm, recover })).toBe('there')
  })

  it('is an error where it stays so', async () => {
    let asked = 0
    const call = (): Promise<never> => Promise.reject(unknownPartition('samples', 3))
    const recover = async (): Promise<void> => void asked++
    const failed = await persist(call, { ...calm, recover }).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(LogError)
    expect(failed).toMatchObject({ code: 'UNKNOWN_TOPIC', message: 'samples/3 does not exist' })
    expect(asked).toBe(6)
  })
})
