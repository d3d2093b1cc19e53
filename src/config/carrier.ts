/**
 * The sources that can carry what a label counts: engagements of its type, with a value where its fold takes one. A
 * label without one would have its default in every sample.
 */
import avro from 'avsc'
import { problem } from './check.ts'
import type { Label, Source } from './model.ts'
import type { Problem } from './problem.ts'
import { recordTypeOf, typesAt } from './recordType.ts'

/** Whether a source can carry engagements of a type: it has no other constant, and no enum that leaves it out. */
export function carries(source: Source, type: string): boolean {
  const mapped = source.fields.type
  if (mapped === undefined) return false
  if ('const' in mapped) return mapped.const === type
  const record = recordTypeOf(source)
  if (record === undefined) return true
  // A field that the schema does not have is refused by its own key.
  const types = typesAt(record, mapped.path)
  return types.length === 0 || types.some((it) => !(it instanceof avro.types.EnumType) || it.symbols.includes(type))
}

export function carrierProblems(labels: readonly Label[], sources: readonly Source[], file: string): Problem[] {
  return labels.flatMap(({ name, on, fold }) => {
    const carriers = sources.filter((source) => carries(source, on))
    if (carriers.length === 0) {
      const message = 'no engagement source can carry this type: name a type that fields.type of one gives'
      return [problem(file, `labels.${name}.on`, message, on)]
    }
    const needsValue = fold !== 'any' && fold !== 'count'
    if (!needsValue || carriers.some((source) => source.fields.value !== undefined)) return []
    const message = `needs values: map fields.value of an engagement source that carries ${on}, or fold by any or count`
    return [problem(file, `labels.${name}.fold`, message, fold)]
  })
}
