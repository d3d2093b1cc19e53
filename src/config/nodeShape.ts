/**
 * The shape of node.yaml: every key, its kind and its default. Unknown keys are refused everywhere.
 */
import { z } from 'zod'
import { choice, count, duration, positive, size, topicName } from './kinds.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

const reference = (what: string) => z.string({ error: `must be ${what}` }).min(1, { error: `must be ${what}` })

/** A path without `file:` would be taken for the text itself. */
const PEM = 'must be file:PATH or env:NAME of a PEM text, or the text itself (-----BEGIN ...)'
const pem = () => z.string({ error: PEM }).regex(/^(file|env):.|-----BEGIN /, { error: PEM })

const ssl = z.union(
  [
    z.boolean(),
    z.strictObject({
      ca: pem().optional(),
      cert: pem().optional(),
      key: reference('file:PATH of a PEM file').optional(),
      rejectUnauthorized: z.boolean().optional(),
    }),
  ],
  { error: 'must be true, false or { ca, cert, key, rejectUnauthorized }' },
)

const sasl = z
  .strictObject({
    mechanism: choice(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']),
    username: reference('a name, env:NAME or file:PATH').optional(),
    password: reference('env:NAME or file:PATH').optional(),
    token: reference('env:NAME or file:PATH').optional(),
  })
  .superRefine((given, context) => {
    const wanted = given.mechanism === 'oauthbearer' ? (['token'] as const) : (['username', 'password'] as const)
    for (const key of ['username', 'password', 'token'] as const) {
      const isWanted = (wanted as readonly string[]).includes(key)
      if (isWanted === (given[key] !== undefined)) continue
      const message = isWanted ? `is needed for ${given.mechanism}` : `has no place in ${given.mechanism}`
      context.addIssue({ code: 'custom', path: [key], message })
    }
  })

const broker = z.string({ error: 'must be host:port' }).regex(/^[^\s@]+:\d{1,5}$/, { error: 'must be host:port' })

const control = z
  .strictObject({
    host: z
      .string({ error: 'must be an address or a name' })
      .regex(/^[\w.:-]+$/, { error: 'must be an address or a name' })
      .default('127.0.0.1'),
    port: z.int({ error: 'must be a port: 0 (any free one) to 65535' }).min(0).max(65_535).default(7400),
    advertise: z
      .string({ error: 'must be an address or a name, without a port' })
      .regex(/^([\w.-]+|\[[0-9a-fA-F:]+\])$/, { error: 'must be an address or a name, without a port' })
      .optional(),
    tokens: z
      .strictObject({
        read: reference('env:NAME or file:PATH').optional(),
        operate: reference('env:NAME or file:PATH').optional(),
        privileged: reference('env:NAME or file:PATH').optional(),
      })
      .optional(),
    mask: z.boolean({ error: 'must be true or false' }).default(false),
    requestsPerS: positive(count()).prefault(200),
  })
  .superRefine(({ host, tokens, mask }, context) => {
    const has = (role: 'read' | 'operate' | 'privileged'): boolean => tokens?.[role] !== undefined
    const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
    if (!LOOPBACK.test(host) && !has('read') && !has('privileged')) {
      refuse('host', 'must be a loopback address: beyond this machine the control server needs control.tokens.read')
    }
    if (mask && !has('privileged')) refuse('mask', 'needs control.tokens.privileged: nobody could see an id in full')
  })

const snapshots = z
  .strictObject({
    to: choice(['folder', 'kafka']),
    folder: reference('the path of a folder that all nodes reach').optional(),
    topic: topicName().optional(),
    every: positive(duration()).prefault('30s'),
    memory: positive(size()).prefault('64MiB'),
  })
  .superRefine((given, context) => {
    const [wanted, other] = given.to === 'folder' ? (['folder', 'topic'] as const) : (['topic', 'folder'] as const)
    if (given[wanted] === undefined) {
      context.addIssue({ code: 'custom', path: [wanted], message: `is needed for ${given.to}` })
    }
    if (given[other] !== undefined) {
      context.addIssue({ code: 'custom', path: [other], message: `has no place in ${given.to}` })
    }
  })

export const nodeShape = z.strictObject({
  kafka: z
    .strictObject({
      brokers: z
        .array(broker, { error: 'must be a list of host:port' })
        .min(1, { error: 'needs at least one host:port' }),
      group: z
        .string({ error: 'must be a name' })
        .regex(/^\S{1,200}$/, { error: 'must be a name without blanks' })
        .optional(),
      sessionTimeout: positive(duration()).prefault('10s'),
      ssl: ssl.optional(),
      sasl: sasl.optional(),
    })
    .optional(),
  dataDir: z
    .string({ error: 'must be the path of a folder' })
    .min(1, { error: 'must be the path of a folder' })
    .default('data'),
  control: control.prefault({}),
  memory: z
    .strictObject({
      state: positive(size()).prefault('512MiB'),
      inFlight: positive(size()).prefault('64MiB'),
      output: positive(size()).prefault('64MiB'),
      actors: positive(size()).prefault('256MiB'),
    })
    .prefault({}),
  delays: z
    .strictObject({
      horizon: duration().prefault('24h'),
      memory: positive(size()).optional(),
    })
    .prefault({}),
  snapshots: snapshots.optional(),
  journal: z.boolean({ error: 'must be true or false' }).default(true),
  embedded: z
    .strictObject({
      fsync: duration().prefault('5ms'),
      retention: positive(duration()).prefault('7d'),
      segment: positive(size()).prefault('64MiB'),
      partitions: positive(count()).prefault(4),
    })
    .prefault({}),
  commitEvery: positive(duration()).prefault('1s'),
  log: z.strictObject({ level: choice(['trace', 'debug', 'info', 'warn', 'error']).prefault('info') }).prefault({}),
})

export type NodeFile = z.output<typeof nodeShape>
