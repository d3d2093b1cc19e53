/**
 * The fingerprint of a pipeline: SHA-256 over what must be the same on every node, as canonical JSON; and a digest of each
 * key, by which two nodes tell what they differ in.
 *
 * In: the contents of schemas, the order of sources and of labels. Out: paths of files, folders and credentials, which
 * may differ between machines that do the same; sample schemas, which follow from the rest.
 */
import { createHash } from 'node:crypto'
import type { Pipeline, Source } from './model.ts'

const LEFT_OUT = new Set([
  'fingerprint',
  'digests',
  'sections',
  'schemaFile',
  'folder',
  'username',
  'password',
  'createTopics',
  'sampleSchemas',
])
/** Of 64 digits: enough to tell two values of one key apart. */
const DIGEST_DIGITS = 8

/** No key of its own: the longest `within`, by which views are sealed. */
export const LONGEST_WINDOW = 'labels (the longest within)'

type Bare = Omit<Pipeline, 'fingerprint' | 'digests'>

export function fingerprint(pipeline: Bare): string {
  return hash(canonicalJson({ ...pipeline, sources: pipeline.sources.map(withSchema) }, LEFT_OUT))
}

/**
 * A digest of the value of each key of pipeline.yaml that the fingerprint covers: two pipelines differ in the keys whose
 * digests differ. A digest tells nothing of a value beyond that.
 */
export function digests(pipeline: Bare): Readonly<Record<string, string>> {
  const values: [key: string, value: unknown][] = []
  const { sources, labels, time, limits, sideOutputs, ...rest } = pipeline
  for (const source of sources) {
    const { role, topic, format, fields } = withSchema(source)
    const key = role === 'views' ? 'sources.views' : `sources.engagements[${topic}]`
    values.push([`${key}.topic`, topic], [`${key}.format`, format], [`${key}.fields`, fields])
  }
  for (const { name, ...label } of labels) values.push([`labels.${name}`, label])
  values.push([LONGEST_WINDOW, Math.max(...labels.map(({ withinMs }) => withinMs))])
  values.push(['labels (their order)', labels.map(({ name }) => name)])
  values.push(['sources.engagements (their order)', sources.map(({ topic }) => topic)])
  for (const [section, given] of Object.entries({ time, limits, sideOutputs })) {
    // The model's names end in their units, the file's do not.
    for (const [key, value] of Object.entries(given))
      values.push([`${section}.${key.replace(/(Ms|Bytes)$/, '')}`, value])
  }
  for (const [key, value] of Object.entries(rest)) if (!LEFT_OUT.has(key)) values.push([key, value])
  return Object.fromEntries(
    values.map(([key, value]) => [key, hash(canonicalJson(value, LEFT_OUT)).slice(0, DIGEST_DIGITS)]),
  )
}

/** The keys in which two pipelines differ, sorted. */
export function differingKeys(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].filter((key) => a[key] !== b[key]).sort()
}

/** A schema may have keys of any name, so it goes in whole; of the rest, some keys stay out. */
function withSchema(source: Source): Source {
  const schema = 'schema' in source.format ? canonicalJson(source.format.schema, new Set()) : null
  return { ...source, format: { ...source.format, schema } as never }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** JSON with sorted keys; what JSON cannot hold (Infinity) as text. */
function canonicalJson(value: unknown, leftOut: ReadonlySet<string>): string {
  if (value === undefined || value === null) return 'null'
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value))
  if (typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, leftOut)).join(',')}]`
  const entries = Object.entries(value).filter(([key, item]) => !leftOut.has(key) && item !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item, leftOut)}`).join(',')}}`
}
