/**
 * A client of a schema registry with Confluent's HTTP interface.
 *
 * Owns: what was learnt of ids. Schemas of ids never change, so what is known is kept; that there is none is believed for
 * a while: a schema is registered just before it is used, and a follower of the registry may not have it yet. The same
 * unknown id is asked for once, however many wait for it.
 *
 * How it fails: an id that the registry does not have, or whose schema is no Avro, is an answer (with a reason), not a
 * failure. What may pass (no connection, a timeout, 5xx, 429) and what someone must mend (401, 403, a refused schema)
 * rejects with a RegistryError. Neither holds a password.
 */
import type { AvroSchema, Registry } from '../config/model.ts'

const TIMEOUT_MS = 10_000
/** A schema larger than that is refused unread. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
/** Ids that do not exist come from hostile records: more than that are forgotten, oldest first. */
const MAX_ABSENT = 100_000
/** That a registry does not have an id is asked for again after that. */
export const ABSENT_MS = 30_000
const MAX_MESSAGE_CHARACTERS = 500

export class RegistryError extends Error {
  override name = 'RegistryError'
}

export interface RegisteredSchema {
  readonly id: number
  readonly schema: AvroSchema
}

export type SchemaAnswer = { readonly schema: AvroSchema } | { readonly reason: string }

interface Answer {
  readonly status: number
  readonly text: string
}

export interface RegistryOptions {
  readonly timeoutMs?: number
  readonly monotonicMs?: () => number
}

interface Absent {
  readonly reason: string
  readonly untilMs: number
}

export class RegistryClient {
  private readonly base: string
  private readonly headers: Record<string, string>
  private readonly timeoutMs: number
  private readonly monotonicMs: () => number
  private readonly secrets: readonly string[] = []
  private readonly known = new Map<number, SchemaAnswer>()
  private readonly absent = new Map<number, Absent>()
  private readonly asking = new Map<number, Promise<SchemaAnswer>>()
  private readonly registered = new Map<string, Promise<number>>()

  constructor(registry: Registry, options: RegistryOptions = {}) {
    this.base = registry.url.replace(/\/+$/, '')
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.headers = { accept: 'application/vnd.schemaregistry.v1+json, application/json' }
    if (registry.username !== undefined) {
      const pair = Buffer.from(`${registry.username}:${registry.password ?? ''}`)
      this.headers.authorization = `Basic ${pair.toString('base64')}`
      this.secrets = [pair.toString('base64'), registry.password ?? ''].filter((secret) => secret !== '')
    }
  }

  /** The schema of an id, or why there is none. */
  schemaOf(id: number): Promise<SchemaAnswer> {
    const known = this.known.get(id)
    if (known !== undefined) return Promise.resolve(known)
    const absent = this.absent.get(id)
    if (absent !== undefined && absent.untilMs > this.monotonicMs()) return Promise.resolve({ reason: absent.reason })
    let asked = this.asking.get(id)
    if (asked === undefined) {
      asked = this.ask(id).finally(() => this.asking.delete(id))
      this.asking.set(id, asked)
    }
    return asked
  }

  /** The newest schema of a subject; null if there is none. */
  async latest(subject: string): Promise<AvroSchema | null> {
    return (await this.newest(subject))?.schema ?? null
  }

  /** The same, with its id. */
  async newest(subject: string): Promise<RegisteredSchema | null> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/latest`
    const answer = await this.request('GET', path)
    if (answer.status === 404) return null
    const given = this.expectOk(answer, path)
    const read = schemaIn(given, `the newest schema of ${subject}`)
    if ('reason' in read) throw new RegistryError(read.reason)
    return { id: idIn(given, subject), schema: read.schema }
  }

  /** Registers a schema under a subject (a schema that is there already keeps its id) and gives its id. */
  register(subject: string, schema: AvroSchema): Promise<number> {
    const text = JSON.stringify(schema)
    const key = `${subject}\n${text}`
    let registered = this.registered.get(key)
    if (registered === undefined) {
      registered = this.post(subject, text)
      this.registered.set(key, registered)
      registered.catch(() => this.registered.delete(key))
    }
    return registered
  }

  private async ask(id: number): Promise<SchemaAnswer> {
    const path = `/schemas/ids/${id}`
    const answer = await this.request('GET', path)
    this.absent.delete(id)
    if (answer.status === 404) {
      const reason = `the schema registry has no schema ${id}`
      this.absent.set(id, { reason, untilMs: this.monotonicMs() + ABSENT_MS })
      if (this.absent.size > MAX_ABSENT) this.absent.delete(this.absent.keys().next().value as number)
      return { reason }
    }
    const read = schemaIn(this.expectOk(answer, path), `the registry's schema ${id}`)
    this.known.set(id, read)
    return read
  }

  private async post(subject: string, schema: string): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    return idIn(this.expectOk(await this.request('POST', path, JSON.stringify({ schema })), path), subject)
  }

  /** Tried twice: a connection kept open is at times closed by the other side just as it is used again. */
  private async request(method: string, path: string, body?: string): Promise<Answer> {
    const signal = AbortSignal.timeout(this.timeoutMs)
    try {
      return await this.fetchOnce(method, path, body, signal).catch((error) => {
        if (signal.aborted) throw error
        return this.fetchOnce(method, path, body, signal)
      })
    } catch (error) {
      const reason = signal.aborted ? `no answer within ${this.timeoutMs} ms` : causeOf(error)
      throw new RegistryError(`the schema registry cannot be reached (${method} ${path}): ${reason}`)
    }
  }

  private async fetchOnce(
    method: string,
    path: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const headers = body === undefined ? this.headers : { ...this.headers, 'content-type': 'application/json' }
    const response = await fetch(this.base + path, { method, headers, body, signal })
    return { status: response.status, text: await boundedText(response) }
  }

  /** What is in front of a registry may repeat what it was sent. */
  private withoutSecrets(text: string): string {
    return this.secrets.reduce((left, secret) => left.replaceAll(secret, '(hidden)'), text)
  }

  private expectOk(answer: Answer, path: string): unknown {
    if (answer.status < 200 || answer.status > 299) {
      const detail = this.withoutSecrets(messageIn(answer.text)).slice(0, MAX_MESSAGE_CHARACTERS)
      throw new RegistryError(`the schema registry answered ${answer.status} to ${path}${detail && `: ${detail}`}`)
    }
    try {
      return JSON.parse(answer.text)
    } catch {
      throw new RegistryError(`the schema registry's answer to ${path} is not JSON`)
    }
  }
}

function idIn(answer: unknown, subject: string): number {
  const { id } = (answer ?? {}) as { id?: unknown }
  if (!Number.isInteger(id)) throw new RegistryError(`the schema registry gave no id for ${subject}`)
  return id as number
}

function schemaIn(answer: unknown, what: string): SchemaAnswer {
  const { schema, schemaType, references } = (answer ?? {}) as Record<string, unknown>
  if (schemaType !== undefined && schemaType !== 'AVRO') return { reason: `${what} is ${schemaType}, not AVRO` }
  if (Array.isArray(references) && references.length > 0)
    return { reason: `${what} has references, which are not read` }
  if (typeof schema !== 'string') return { reason: `${what} has no text` }
  try {
    return { schema: JSON.parse(schema) as AvroSchema }
  } catch {
    // Some registries give a bare name without quotes.
    return { schema }
  }
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of response.body ?? []) {
    sizeBytes += (part as Uint8Array).length
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`its answer is over ${MAX_ANSWER_BYTES} bytes`)
    parts.push(part as Uint8Array)
  }
  return Buffer.concat(parts).toString()
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message : ''
  } catch {
    return ''
  }
}

function causeOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message: string }
  return cause?.code ?? (cause?.message || message)
}
