/**
 * The control server: how a node is asked how it is, and, over the embedded log, given events. On this machine only,
 * unless tokens are asked for.
 *
 * Owns: the listening socket, the node's address file, a timer that looks at how fast partitions go.
 *
 * Invariants:
 * 1. It reads the node and never changes it; only POST writes, and only to the log.
 * 2. Headers and bodies are bounded in size, in number and in time; connections in number (connections.ts).
 * 3. No request reaches a route that protect.ts has not let in, and nothing that a client sends is run or names a file.
 *
 * How it fails: starting rejects with one clear line (the port is taken, the address is beyond this machine and there
 * are no tokens); a request
 * fails by itself, as JSON `{ "error": ... }`, and is logged without what was sent.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance, fastify } from 'fastify'
import type { Node } from '../cluster/node.ts'
import { RESTARTS_VARIABLE } from '../cluster/restarts.ts'
import type { SourceReader } from '../codec/port.ts'
import type { ControlConfig } from '../config/model.ts'
import type { RepartitionView } from '../repartition/lanes.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { Access } from './access.ts'
import { type NodeAddress, removeAddress, writeAddress } from './address.ts'
import { addClusterRoutes } from './cluster.ts'
import { limitConnections } from './connections.ts'
import { addDelays } from './delays.ts'
import { isLoopback } from './guard.ts'
import { HistoryKeeper } from './history.ts'
import { addInsideRoutes } from './inside.ts'
import { alarmsOf } from './ledger.ts'
import { addLedgerRoutes } from './ledgerRoute.ts'
import { Mask } from './mask.ts'
import { makeMetrics } from './metrics.ts'
import { Others } from './others.ts'
import { addOverview } from './overview.ts'
import { addPage } from './page.ts'
import { addPosting } from './posting.ts'
import { protect, type Route } from './protect.ts'
import { RateMeter } from './rates.ts'
import { readinessOf, type Surroundings, statusOf } from './status.ts'
import type { NodeView } from './view.ts'

export interface ControlLogger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ControlOptions {
  readonly node: NodeView
  /** Of the sources, in their order: what is posted is decoded with them. */
  readonly readers: readonly SourceReader[]
  readonly control: ControlConfig
  /** Where the address is written, for `status` to find. */
  readonly dataDir: string
  readonly version: string
  readonly logger: ControlLogger
  /** How often each warning and error was logged, by its text. */
  readonly faults?: ReadonlyMap<string, number>
  readonly clock?: Clock
  /** How far this node's repartitioner is; undefined where it has none. */
  readonly repartition?: () => RepartitionView | undefined
  /** The node itself, for what looks inside it; tests of the rest bring a node's view alone. */
  readonly inside?: { readonly node: Node }
  readonly timeouts?: { readonly headersMs: number; readonly requestMs: number }
}

export interface ControlServer {
  readonly url: string
  readonly routes: readonly Route[]
  close(): Promise<void>
}

const LOOK_EVERY_MS = 1000
const DELAY_LOOKS = 30
/** By when a request's headers, and all of it, must be there; looked at CHECKS times as often as the first. */
const TIMEOUTS = { headersMs: 10_000, requestMs: 60_000 }
const CHECKS = 5
const HEADER_LIMIT_BYTES = 8 * 1024
const MAX_TOPIC_LENGTH = 249
const CLOSE_LIMIT_MS = 3000
const STATUS_COST = 2
const METRICS_COST = 40

export async function startControlServer(options: ControlOptions): Promise<ControlServer> {
  const { node, dataDir } = options
  const { host, port, tokens } = options.control
  if (!isLoopback(host) && tokens === undefined) {
    throw new Error(`control.host ${host}: without control.tokens the control server listens on this machine alone`)
  }
  const { clock = systemClock, logger, repartition } = options
  const pace = new Pace({ node, clock, logger, repartition })
  const { app, routes } = makeApp(options, pace)
  const url = await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    throw listenError(error, host, port)
  })
  pace.url = url
  const address: NodeAddress = { id: node.id, url, pid: process.pid, startedAt: new Date().toISOString() }
  pace.start()
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    pace.stop()
    await removeAddress(dataDir, address)
    // Whoever is slow beyond the limit is cut off.
    const limit = new AbortController()
    const cut = sleep(CLOSE_LIMIT_MS, undefined, { signal: limit.signal, ref: false })
    cut.then(() => app.server.closeAllConnections()).catch(() => {})
    await app.close()
    limit.abort()
  }
  try {
    await writeAddress(dataDir, address)
  } catch (error) {
    await close()
    throw error
  }
  return { url, routes, close: () => (closing ??= close()) }
}

function makeApp(options: ControlOptions, pace: Pace): { app: FastifyInstance; routes: readonly Route[] } {
  const { node, logger, version } = options
  const { host, tokens, requestsPerS } = options.control
  const { headersMs, requestMs } = options.timeouts ?? TIMEOUTS
  const clock = options.clock ?? systemClock
  const app = fastify({
    logger: false,
    requestTimeout: requestMs,
    http: {
      headersTimeout: headersMs,
      connectionsCheckingInterval: headersMs / CHECKS,
      maxHeaderSize: HEADER_LIMIT_BYTES,
    },
    routerOptions: { maxParamLength: MAX_TOPIC_LENGTH },
  })
  limitConnections(app.server)
  const { refused, routes } = protect(app, {
    access: new Access(tokens),
    mask: maskOf(options.control),
    host,
    requestsPerS,
    clock,
  })
  app.setNotFoundHandler((request, reply) => {
    return reply.code(404).send({ error: `no ${request.method} ${request.url.split('?')[0]} here` })
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const code = error.statusCode ?? 500
    if (code >= 500) logger.error({ route: request.routeOptions.url, error: error.message }, 'a control request failed')
    return reply.code(code).send({ error: error.message })
  })
  const metrics = makeMetrics({
    node,
    version,
    wallMs: () => clock.wallMs(),
    refused,
    faults: options.faults ?? new Map(),
    repartition: options.repartition,
  })
  app.get('/health', { config: { role: 'public' } }, async () => ({ alive: true }))
  app.get('/ready', { config: { role: 'public' } }, async (_, reply) => {
    const readiness = readinessOf(node)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  app.get('/metrics', { config: { cost: METRICS_COST } }, async (_, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
  app.get('/status', { config: { cost: STATUS_COST } }, async () => statusOf(node, pace.surroundings(version)))
  const others = new Others(node, options.control)
  addLedgerRoutes(app, node, others)
  addClusterRoutes(app, node)
  addDelays(app, node)
  if (options.inside !== undefined) {
    const { inside, readers } = options
    addInsideRoutes(app, { ...inside, others, readers, clock, surroundings: () => pace.surroundings(version) })
  }
  addOverview(app, {
    node,
    others,
    clock,
    surroundings: () => pace.surroundings(version),
    history: () => pace.history.read(),
  })
  addPage(app)
  addPosting(app, { node, readers: options.readers, clock })
  return { app, routes }
}

type PaceOptions = Pick<ControlOptions, 'node' | 'logger' | 'repartition'> & { readonly clock: Clock }

/** What the server learns over time: rates, and how long the loop was held up. */
class Pace {
  url = ''
  readonly history = new HistoryKeeper()
  private readonly node: NodeView
  private readonly clock: Clock
  private readonly logger: ControlLogger
  private readonly repartition: ControlOptions['repartition']
  /** Alarms that were told. */
  private readonly told = new Set<string>()
  private readonly meter = new RateMeter()
  private readonly delay = monitorEventLoopDelay({ resolution: 10 })
  private readonly startedMs: number
  private timer: NodeJS.Timeout | undefined
  private looks = 0
  private p99Ms: number | undefined

  constructor({ node, clock, logger, repartition }: PaceOptions) {
    this.node = node
    this.logger = logger
    this.clock = clock
    this.repartition = repartition
    this.startedMs = clock.monotonicMs()
  }

  start(): void {
    this.delay.enable()
    this.look()
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
    this.delay.disable()
  }

  surroundings(version: string): Surroundings {
    return {
      url: this.url,
      version,
      uptimeMs: this.clock.monotonicMs() - this.startedMs,
      startedAgain: Number(process.env[RESTARTS_VARIABLE] ?? 0),
      wallMs: this.clock.wallMs(),
      memory: process.memoryUsage(),
      eventLoopP99Ms: this.p99Ms ?? this.delayMs(),
      ratePerS: (partition) => this.meter.perSecond(partition),
      repartition: this.repartition?.(),
    }
  }

  private look(): void {
    const counts = new Map(this.node.partitions.map((p) => [p.index, p.rates.recordsJoined]))
    this.meter.look(this.clock.monotonicMs(), counts)
    this.watchLedger()
    this.history.look(this.node, this.clock.wallMs())
    if (++this.looks % DELAY_LOOKS !== 0) return
    this.p99Ms = this.delayMs()
    this.delay.reset()
  }

  /** The counts are checked as long as the node runs; each alarm is logged once. */
  private watchLedger(): void {
    const alarms = alarmsOf(this.node.partitions)
    for (const alarm of alarms) {
      const what = alarm.replace(/ by .*/, '')
      if (this.told.has(what)) continue
      this.told.add(what)
      this.logger.error({ alarm }, 'the ledger does not balance')
    }
  }

  private delayMs(): number {
    const ns = this.delay.percentile(99)
    return Number.isFinite(ns) ? ns / 1e6 : 0
  }
}

/** The configuration sees to it that somebody may see the ids. */
function maskOf({ mask, tokens }: ControlConfig): Mask | undefined {
  const [key] = tokens?.privileged ?? []
  return mask && key !== undefined ? new Mask(key) : undefined
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error
  return new Error(`control.port ${port} on ${host} is in use: does a node run already? 0 takes any free port`, {
    cause: error,
  })
}
