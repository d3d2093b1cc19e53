/**
 * The kinds of values that both configuration files are made of, as zod schemas whose messages say what is wanted.
 */
import { z } from 'zod'
import { parseCount, parseDuration, parseSize } from './units.ts'

export const NOT_BUILT = 'not built yet'

const FIELD_PATH = /^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/
const TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/
export const AVRO_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

function quantity(parse: (value: unknown) => number | undefined, wanted: string) {
  return z.union([z.string(), z.number()], { error: wanted }).transform((value, context) => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: wanted })
    return z.NEVER
  })
}

export const duration = () =>
  quantity(parseDuration, 'must be a duration with its unit, such as 250ms, 5s, 10m, 1h or 2d')
export const size = () => quantity(parseSize, 'must be a size with its unit, such as 64KiB, 512MiB or 1GB')
export const count = () => quantity(parseCount, 'must be a whole number, such as 1000 or 100k')

export const positive = (kind: ReturnType<typeof quantity>) =>
  kind.refine((amount) => amount > 0, { error: 'must be greater than 0' })

/** A duration, or `off`, which is Infinity. */
export const durationOrOff = () =>
  quantity(
    (value) => (value === 'off' ? Number.POSITIVE_INFINITY : parseDuration(value)),
    'must be a duration such as 5m, or off',
  )

export const topicName = () =>
  z.string({ error: 'must be the name of a topic' }).regex(TOPIC, {
    error: 'must be the name of a topic: 1 to 249 of letters, digits, dot, underscore and hyphen',
  })

/** A field of a record by name or by dotted path, split into its parts. */
export const fieldPath = () =>
  z
    .string({ error: 'must be the name of a field, or a dotted path such as meta.user' })
    .regex(FIELD_PATH, { error: 'must be the name of a field, or a dotted path such as meta.user' })
    .transform((path): readonly string[] => path.split('.'))

/** Settles for one of several texts; those in `later` are known but not built, and say so. */
export const choice = <const T extends string>(built: readonly T[], later: readonly string[] = []) =>
  z.string({ error: `must be ${either(built)}` }).transform((value, context): T => {
    if ((built as readonly string[]).includes(value)) return value as T
    context.addIssue({ code: 'custom', message: later.includes(value) ? NOT_BUILT : `must be ${either(built)}` })
    return z.NEVER
  })

function either(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0] : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`
}
