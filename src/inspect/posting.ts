/**
 * POST /topics/<topic>: events for the embedded log, as JSON lines (application/x-ndjson, application/json) or framed
 * (application/avro-frames). Answered when durable.
 *
 * Owns: what of it is on its way (IntakeBudget), and the order of refusals: what can never be taken (404, 413, 415)
 * comes before what cannot be taken now (429, 503).
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { SourceReader } from '../codec/port.ts'
import { LogError } from '../log/port.ts'
import type { Clock } from '../time/clock.ts'
import { BadRecord, cutFrames, cutLines, TooManyRecords } from './body.ts'
import { Intake, SourceUnready, WrongForm } from './intake.ts'
import { IntakeBudget } from './intakeBudget.ts'
import type { NodeView } from './view.ts'

export interface PostingOptions {
  readonly node: NodeView
  readonly readers: readonly SourceReader[]
  readonly clock: Clock
}

export const BODY_LIMIT_BYTES = 8 * 1024 * 1024
export const MAX_RECORDS = 100_000
const RETRY_AFTER_S = 1
const LINES = ['application/x-ndjson', 'application/json']
const FRAMES = 'application/avro-frames'

interface Post {
  readonly release: () => void
  isWorkedOn: boolean
}

type TopicRequest = FastifyRequest<{ Params: { topic: string } }>

export function addPosting(app: FastifyInstance, { node, readers, clock }: PostingOptions): void {
  const { sources, limits } = node.config.pipeline
  const intake = new Intake({ log: node.log, sources, limits, readers, wallMs: () => clock.wallMs() })
  const budget = new IntakeBudget(node.config.node.memory.inFlightBytes, () => bufferedBytes(node))
  const posts = new WeakMap<FastifyRequest, Post>()

  app.removeAllContentTypeParsers()
  app.addContentTypeParser([...LINES, FRAMES], { parseAs: 'buffer', bodyLimit: BODY_LIMIT_BYTES }, (_, body, done) => {
    done(null, body)
  })
  app.addHook('onClose', () => intake.close())
  app.post<{ Params: { topic: string } }>('/topics/:topic', {
    onRequest: async (request, reply) => {
      const refused = refusal(node, request)
      if (refused !== undefined) return reply.code(refused.code).send({ error: refused.error })
      const release = budget.take(sizeOf(request) ?? BODY_LIMIT_BYTES)
      if (release === undefined) return tooBusy(reply)
      const post = { release, isWorkedOn: false }
      posts.set(request, post)
      // Also when the sender goes away half-way: then the handler is never called.
      reply.raw.once('close', () => {
        if (!post.isWorkedOn) release()
      })
    },
    handler: async (request, reply) => {
      const post = posts.get(request)!
      post.isWorkedOn = true
      try {
        return { appended: await intake.append(request.params.topic, cut(request)) }
      } catch (error) {
        return failed(reply, error as Error)
      } finally {
        post.release()
      }
    },
  })
}

function bufferedBytes(node: NodeView): number {
  return node.partitions.reduce((sum, partition) => sum + partition.bufferedBytes, 0)
}

function refusal(node: NodeView, request: TopicRequest): { code: number; error: string } | undefined {
  const { topic } = request.params
  if (node.log.kind !== 'embedded') {
    return {
      code: 404,
      error: 'this node reads from Kafka: produce to its brokers; events are posted to the embedded log only',
    }
  }
  if (!node.topics.includes(topic)) {
    return { code: 404, error: `no source reads this topic; the sources are ${node.topics.join(', ')}` }
  }
  if ((sizeOf(request) ?? 0) > BODY_LIMIT_BYTES) {
    return { code: 413, error: `a body is at most ${BODY_LIMIT_BYTES} bytes: send the events in several` }
  }
  if (node.state === 'stopping') return { code: 503, error: 'the node is stopping' }
  return undefined
}

/** Undefined where the sender does not say. */
function sizeOf(request: FastifyRequest): number | undefined {
  const text = request.headers['content-length']
  return text === undefined ? undefined : Number(text)
}

function tooBusy(reply: FastifyReply): FastifyReply {
  return reply
    .code(429)
    .header('retry-after', String(RETRY_AFTER_S))
    .send({ error: 'too many events are waiting to be joined (memory.inFlight): send these again later' })
}

function cut(request: FastifyRequest) {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const isFramed = request.headers['content-type']?.startsWith(FRAMES) ?? false
  return isFramed ? cutFrames(body, MAX_RECORDS) : cutLines(body, MAX_RECORDS)
}

function failed(reply: FastifyReply, error: Error): FastifyReply {
  if (error instanceof BadRecord) {
    const { unit, number, reason } = error
    return reply
      .code(400)
      .send({ error: `${error.message}; nothing of this request was appended`, [unit]: number, reason })
  }
  if (error instanceof WrongForm) return reply.code(415).send({ error: error.message })
  if (error instanceof TooManyRecords) return reply.code(413).send({ error: error.message })
  const isClosing = error instanceof LogError && error.code === 'CLOSED'
  if (error instanceof SourceUnready || isClosing) {
    return reply.code(503).header('retry-after', String(RETRY_AFTER_S)).send({ error: error.message })
  }
  throw error
}
