import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { avroToValue } from '../../../src/codec/avro/json.ts'
import { resolveSchema } from '../../../src/codec/avro/schema.ts'
import { avscType } from '../../../src/codec/avro/transcode.ts'
import { openSourceReader } from '../../../src/codec/source.ts'
import { DRAWN_SEED } from '../../support/drawn.ts'
import { Random } from '../../support/random.ts'
import { randomEvent } from '../randomAvro.ts'
import { accepted, avroFormat, engagementSource, LIMITS, readAll, readOne } from '../support.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })
/** The same seeds for all properties: what avsc makes of a schema, by compiling functions, costs more than all else here. */
const SAME = { seed: DRAWN_SEED }
const drawn = new Map<number, Drawn>()

interface Drawn {
  readonly event: ReturnType<typeof randomEvent>
  readonly bytes: Buffer
}

/** An event of a schema of its own, with its bytes as avsc writes them. */
function draw(seed: number): Drawn {
  const known = drawn.get(seed)
  if (known !== undefined) return known
  const event = randomEvent(new Random(seed))
  const made = { event, bytes: avscType(event.schema).toBuffer(event.value) }
  drawn.set(seed, made)
  return made
}

describe('reading any record of any schema', () => {
  test('the mapped fields are those that avsc wrote, wherever they lie', { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { event, bytes } = draw(seed)
        const reader = await openSourceReader(engagementSource(avroFormat(event.schema), event.fields), LIMITS)
        const read = accepted(await readOne(reader, bytes))
        expect(read).toEqual({
          viewId: event.ids.viewId,
          user: event.ids.userId,
          item: event.ids.itemId,
          engagementId: event.ids.engagementId,
          type: event.ids.type,
          timeMs: event.timeMs,
          value: event.number,
          payload: bytes,
          writer: 0,
        })
      }),
      { numRuns: 1000, ...SAME },
    )
  })

  test('a record cut short anywhere, or with a byte more, is refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { event, bytes } = draw(seed)
        const random = new Random(seed)
        const reader = await openSourceReader(engagementSource(avroFormat(event.schema), event.fields), LIMITS)
        const cut = bytes.subarray(0, random.below(bytes.length))
        const read = await readAll(reader, [cut, bytes, Buffer.concat([bytes, Buffer.of(random.below(256))])])
        expect(read[0]).toEqual(expect.any(String))
        expect(read[1]).not.toEqual(expect.any(String))
        expect(read[2]).toMatch(/1 bytes are left/)
      }),
      { numRuns: 500, ...SAME },
    )
  })

  test('as JSON it is what avsc decodes, without the wrappers of unions', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { event, bytes } = draw(seed)
        const type = resolveSchema(event.schema)
        expect(avroToValue(type, bytes, LIMITS)).toEqual(unwrapped(type, event.value))
      }),
      { numRuns: 500, ...SAME },
    )
  })
})

type Type = ReturnType<typeof resolveSchema>

function unwrapped(type: Type, value: unknown): unknown {
  switch (type.kind) {
    case 'union': {
      if (value === null) return null
      const [[name, inner]] = Object.entries(value as object)
      const branch = type.branches.find((each) => ('name' in each ? each.name : each.kind) === name)
      return unwrapped(branch as Type, inner)
    }
    case 'record':
      return Object.fromEntries(type.fields.map((f) => [f.name, unwrapped(f.type, (value as never)[f.name])]))
    case 'array':
      return (value as unknown[]).map((item) => unwrapped(type.items, item))
    case 'map':
      return Object.fromEntries(Object.entries(value as object).map(([key, v]) => [key, unwrapped(type.items, v)]))
    case 'long':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    case 'bytes':
    case 'fixed':
      return (value as Buffer).toString('latin1')
    case 'float':
    case 'double':
    case 'int':
      return (value as number) + 0
    default:
      return value
  }
}
