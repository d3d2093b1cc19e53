/** A schema registry over real HTTP: ids, subjects, and faults on demand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AvroSchema } from '../../src/config/model.ts'

export class FakeRegistry {
  url = ''
  /** Every request as `METHOD path`. */
  readonly requests: string[] = []
  readonly authorizations: (string | undefined)[] = []
  /** Answers instead of the registry's own where it returns true. */
  fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  private readonly schemas = new Map<number, object>()
  private readonly subjects = new Map<string, number[]>()
  private nextId = 100
  private readonly server = createServer((request, response) => void this.answer(request, response))

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  set(id: number, schema: AvroSchema, more: object = {}): void {
    this.schemas.set(id, { schema: JSON.stringify(schema), ...more })
  }

  /** The schemas registered under a subject, by id. */
  registered(subject: string): [number, AvroSchema][] {
    const ids = this.subjects.get(subject) ?? []
    return ids.map((id) => [id, JSON.parse((this.schemas.get(id) as { schema: string }).schema) as AvroSchema])
  }

  addVersion(subject: string, schema: string): number {
    const ids = this.subjects.get(subject) ?? []
    this.subjects.set(subject, ids)
    const known = ids.find((id) => (this.schemas.get(id) as { schema: string }).schema === schema)
    if (known !== undefined) return known
    const id = this.nextId++
    this.schemas.set(id, { schema })
    ids.push(id)
    return id
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(request.url ?? '')
    this.requests.push(`${request.method} ${path}`)
    this.authorizations.push(request.headers.authorization)
    let body = ''
    for await (const part of request) body += part
    if (this.fault?.(request, response)) return
    const [status, answer] = this.route(request.method ?? '', path, body)
    response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(JSON.stringify(answer))
  }

  private route(method: string, path: string, body: string): [number, object] {
    const byId = /^\/schemas\/ids\/(-?\d+)$/.exec(path)
    if (method === 'GET' && byId) {
      const schema = this.schemas.get(Number(byId[1]))
      return schema ? [200, schema] : [404, { error_code: 40403, message: 'Schema not found' }]
    }
    const subject = /^\/subjects\/(.+)\/versions(\/latest)?$/.exec(path)
    if (method === 'POST' && subject) {
      return [200, { id: this.addVersion(subject[1], (JSON.parse(body) as { schema: string }).schema) }]
    }
    const last = subject?.[2] && this.subjects.get(subject[1])?.at(-1)
    return last ? [200, { id: last, ...this.schemas.get(last) }] : [404, { error_code: 40401, message: 'Not found' }]
  }
}

export function wire(id: number, body: Buffer): Buffer {
  const header = Buffer.alloc(5)
  header.writeInt32BE(id, 1)
  return Buffer.concat([header, body])
}
