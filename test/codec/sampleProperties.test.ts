import fc from 'fast-check'
import { expect, test } from 'vitest'
import { avscType } from '../../src/codec/avro/transcode.ts'
import { newByteBuffer } from '../../src/codec/byteBuffer.ts'
import { openSampleEncoder } from '../../src/codec/sample.ts'
import { openSourceReader } from '../../src/codec/source.ts'
import type { AvroSchema } from '../../src/config/model.ts'
import { Random } from '../support/random.ts'
import { randomEvent } from './randomAvro.ts'
import { rowOf } from './rows.ts'
import { accepted, avroFormat, LIMITS, label, pipelineOf, readOne, viewSource } from './support.ts'

const labels = [label('a'), label('b', 'count', null), label('c', 'last'), label('d', 'max', null)]

test("any view's sample is the bytes that avsc writes of the same object", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (seed) => {
      const random = new Random(seed)
      const { schema, fields, value } = randomEvent(random)
      const pipeline = pipelineOf(viewSource(avroFormat(schema), fields), labels)
      const reader = await openSourceReader(pipeline.sources[0], LIMITS)
      const encoder = await openSampleEncoder(pipeline, { type: 'avro' }, reader, LIMITS)
      const event = accepted(await readOne(reader, avscType(schema).toBuffer(value)))
      const maybe = (n: number) => (random.chance(0.4) ? Number.NaN : n)
      const values = [random.below(2), maybe(random.below(1e6)), random.next() - 0.5, maybe(random.next() * 1e9)]
      const delays = values.map(() => maybe(random.below(1e12)))
      const options = {
        labels: values,
        delays,
        late: random.chance(0.5),
        revision: random.below(3),
        weight: random.next(),
      }
      const row = rowOf(event, options)
      await encoder.prepare(row)
      const out = newByteBuffer(16)
      encoder.encode(row, out)
      const sampleSchema = encoder.schema as { fields: { type: AvroSchema }[] }
      const or = (kind: string, n: number) => (Number.isNaN(n) ? null : { [kind]: n })
      const delay = (n: number) => (Number.isNaN(n) ? null : { long: BigInt(n) })
      const expected = {
        sample_id: event.viewId ?? `${event.user}:${event.item}:${event.timeMs}`,
        user_id: asDeclared(sampleSchema.fields[1].type, event.user as string),
        item_id: asDeclared(sampleSchema.fields[2].type, event.item as string),
        view_time: BigInt(event.timeMs),
        labels: { a: values[0], b: or('int', values[1]), c: values[2], d: or('double', values[3]) },
        delays_ms: { a: delay(delays[0]), b: delay(delays[1]), c: delay(delays[2]), d: delay(delays[3]) },
        late_view: options.late,
        revision: options.revision,
        weight: options.weight,
        view: value,
      }
      const type = avscType(encoder.schema as AvroSchema)
      expect(Buffer.from(out.buffer.subarray(0, out.end))).toEqual(type.toBuffer(expected))
    }),
    { numRuns: 500 },
  )
})

/** The text of an id as a value of its type in the sample. */
function asDeclared(type: AvroSchema, text: string): unknown {
  if (Array.isArray(type)) {
    const kind = type.find((branch) => branch !== 'null') as string
    return { [kind]: asDeclared(kind, text) }
  }
  return type === 'int' ? Number(text) : type === 'long' ? BigInt(text) : text
}
