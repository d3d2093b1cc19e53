/**
 * GET /config: the effective configuration of this node, with every secret hidden.
 *
 * Invariant: what is named like a secret is never told, nor what stands in an address before its `@`.
 */
import type { FastifyInstance } from 'fastify'
import type { Inside } from './inside.ts'

const SECRET = /^(password|passphrase|token|tokens|secret|key)$/i
const HIDDEN = '(hidden)'

export function addConfigRoute(app: FastifyInstance, { node }: Inside): void {
  app.get('/config', { config: { hasNoIds: true } }, async () => {
    const { pipeline, node: own, folder } = node.config
    // Which sources belong together is seen by their topics: the rest is as it was written.
    const { sections: _, ...told } = pipeline
    return { folder, node: withoutSecrets(own), pipeline: withoutSecrets(told) }
  })
}

/** As JSON can hold it: what is off is `off`. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return 'off'
  if (typeof value === 'string') return value.replace(/(\w+:\/\/)\S*@/g, `$1${HIDDEN}@`)
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      // The name of a field in a schema is no secret: only values are hidden, and a schema's keys are not of these.
      SECRET.test(key) && item !== undefined && item !== null ? HIDDEN : withoutSecrets(item),
    ]),
  )
}
