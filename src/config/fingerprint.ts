/**
 * The fingerprint of a pipeline: SHA-256 over what must be the same on every node, as canonical JSON.
 *
 * In: the contents of schemas, the order of sources and of labels. Out: paths of files, folders and credentials, which
 * may differ between machines that do the same.
 */
import { createHash } from 'node:crypto'
import type { Pipeline } from './model.ts'

const LEFT_OUT = new Set(['fingerprint', 'schemaFile', 'folder', 'username', 'password', 'createTopics'])

export function fingerprint(pipeline: Omit<Pipeline, 'fingerprint'>): string {
  const { sources, ...rest } = pipeline
  // A schema may have keys of any name, so it goes in whole; of the rest, some keys stay out.
  const parts = sources.map((source) => ({
    ...source,
    format: {
      ...source.format,
      schema: 'schema' in source.format ? canonicalJson(source.format.schema, new Set()) : null,
    },
  }))
  return createHash('sha256')
    .update(canonicalJson({ ...rest, sources: parts }, LEFT_OUT))
    .digest('hex')
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
