/**
 * GET /explain/<sampleId>: why a sample has its labels (explanation.ts). `user` and `at` (event time in ms, or ISO) say
 * where its view lies, where the id does not.
 *
 * Bounded: one explanation at a time, a few wait; a search goes through the newest MOST_SEARCHED views and says so (`isCut`):
 * `postview explain` then looks through all by itself. The embedded log has no other reader than its node: there it is all.
 * What is read is read in small parts, between which the node joins on.
 *
 * How it fails: 429 when too many wait; 400 for a query that is none; else with what the log says. Where the owner does
 * not answer, the log tells without it, and a note says so.
 */
import type { FastifyInstance } from 'fastify'
import { AskError, type ClusterMember } from '../cluster/map.ts'
import type { Node } from '../cluster/node.ts'
import { committedAsOf } from '../explain/asOf.ts'
import { type Explainer, partitionOfUser } from '../explain/explain.ts'
import { readIdentity } from '../explain/findView.ts'
import { openExplainer } from '../explain/open.ts'
import type { AsOf } from '../explain/range.ts'
import type { Explanation } from './explanation.ts'
import type { Inside } from './inside.ts'
import { OneAtATime } from './oneAtATime.ts'
import { isLocal, type LocalQuery } from './others.ts'

interface ExplainQuery extends LocalQuery {
  readonly user?: string
  readonly at?: string
}

const MOST_SEARCHED = 2_000_000
const EXPLAIN_COST = 50
const OTHERS_LIMIT_MS = 60_000

export function addExplainRoutes(app: FastifyInstance, inside: Inside): void {
  const { node, others } = inside
  const queue = new ExplainQueue(inside)
  app.get<{ Params: { '*': string }; Querystring: ExplainQuery }>(
    '/explain/*',
    { config: { cost: EXPLAIN_COST } },
    async ({ params, query }, reply) => {
      const sampleId = params['*']
      const atMs = query.at === undefined ? undefined : timeOf(query.at)
      if (sampleId === '') return reply.code(400).send({ error: 'ask for /explain/SAMPLE_ID' })
      if (Number.isNaN(atMs))
        return reply.code(400).send({ error: `at=${query.at}: must be a time, in ms or ISO 8601` })
      const user = query.user ?? readIdentity(sampleId)?.user
      const owner = user === undefined || isLocal(query) ? undefined : await ownerOf(user, inside)
      let silence: string | undefined
      if (owner !== undefined) {
        const told = await ownersAnswer(owner, sampleId, query)
        if (typeof told !== 'string') return told
        silence = told
      }
      if (queue.isFull) return reply.code(429).header('retry-after', '2').send({ error: 'too many explanations wait' })
      const mostRecords = node.log.kind === 'embedded' ? undefined : MOST_SEARCHED
      const told = await queue.explain({ sampleId, user: query.user, atMs, mostRecords })
      return silence === undefined ? told : { ...told, notes: [...told.notes, silence] }
    },
  )

  /** Where the owner does not answer: why, as a note for what the log tells without it. */
  async function ownersAnswer(owner: ClusterMember, sampleId: string, { user, at }: ExplainQuery) {
    const query = new URLSearchParams(Object.entries({ user, at }).filter(hasValue))
    try {
      return await others.ask<Explanation>(owner, `/explain/${encodeURIComponent(sampleId)}?${query}`, OTHERS_LIMIT_MS)
    } catch (error) {
      if (!(error instanceof AskError)) throw error
      return `${error.message}: told from the log, as of the owner's last commit`
    }
  }

  async function ownerOf(user: string, { node: self }: Inside) {
    if (self.partitionCount === 0) return undefined
    // Where nobody owns it the log still tells.
    return others.owner(partitionOfUser(Buffer.from(user), node.partitionCount)).catch(() => undefined)
  }
}

function hasValue(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined
}

/** Milliseconds, or ISO 8601; NaN for what is neither. */
export function timeOf(text: string): number {
  return /^-?\d+$/.test(text) ? Number(text) : Date.parse(text)
}

class ExplainQueue {
  private readonly inside: Inside
  private explainer: Promise<Explainer> | undefined
  private readonly turns = new OneAtATime()

  constructor(inside: Inside) {
    this.inside = inside
  }

  get isFull(): boolean {
    return this.turns.isFull
  }

  explain(request: Parameters<Explainer['explain']>[0]): Promise<Explanation> {
    return this.turns.run(async () => (await this.open()).explain(request))
  }

  /** Opened when first asked for: the schema registry may be away. */
  private open(): Promise<Explainer> {
    this.explainer ??= this.make()
    this.explainer.catch(() => {
      this.explainer = undefined
    })
    return this.explainer
  }

  private make(): Promise<Explainer> {
    const { node, readers, clock } = this.inside
    return openExplainer({
      config: node.config,
      log: node.log,
      sources: readers,
      asOf: (partition) => asOfNode(node, partition),
      nowMs: () => clock.monotonicMs(),
    })
  }
}

/** What this node has joined by now of its own; of another's, what was committed. */
async function asOfNode(node: Node, index: number): Promise<AsOf | null> {
  const partition = node.partitions.find((each) => each.index === index)
  if (partition === undefined || !partition.isLive) {
    return committedAsOf(node.log, node.config.node.group, node.topics, index)
  }
  const { state, position, neededFloor, owner } = partition
  const { highestMs } = state.clocks
  const sources = new Map(
    node.topics.map((topic, k) => [
      topic,
      { offset: position[k], highestMs: highestMs[k], neededFrom: neededFloor[k] },
    ]),
  )
  return {
    offsets: [...position],
    watermarkMs: state.settledWatermarkMs,
    highestMs: [...highestMs],
    believing: { sources, owner, ...partition.readBack },
  }
}
