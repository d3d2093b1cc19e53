/**
 * A node as a process: opens what the configuration names, runs until told to stop or until it fails.
 *
 * How it fails: prints one line and gives exit code 1; SIGTERM, SIGINT and the end of a parent process (parent.ts) end in
 * a drained, flushed, committed stop and exit code 0, or 1 where a partition had stopped meanwhile. A second signal
 * (stopSignals.ts), or a stop that takes longer than STOP_LIMIT_MS (which it says), ends at once with 1.
 */

import { setFlagsFromString } from 'node:v8'
import type { AcceptedLoss } from '../actors/loss.ts'
import { openSourceReader } from '../codec/source.ts'
import type { Config } from '../config/load.ts'
import { askingHeaders } from '../inspect/access.ts'
import { type ControlServer, startControlServer } from '../inspect/server.ts'
import type { Log } from '../log/port.ts'
import { joinReaders, startRepartitioner } from '../repartition/open.ts'
import { type Repartitioner, repartitionGroup } from '../repartition/repartitioner.ts'
import { systemClock } from '../time/clock.ts'
import { admit } from './admission.ts'
import { takeDataFolder } from './dataFolder.ts'
import { faultLog } from './faultLog.ts'
import { dismissGhosts, type GhostOptions } from './ghosts.ts'
import { makeLogger } from './logger.ts'
import { ask } from './map.ts'
import { encodeMember } from './member.ts'
import { Node } from './node.ts'
import { openJournal, openLog, openSnapshots } from './open.ts'
import { reachedAt } from './reach.ts'
import { reportReplay } from './replayReport.ts'
import { setUp } from './setup.ts'
import { StopSignals } from './stopSignals.ts'
import { readVersion } from './version.ts'

const STOP_LIMIT_MS = 10_000
/** Below it garbage counts: V8 would let it grow to a multiple of what lives, which costs less time and more memory. */
const SMALL_STATE_BYTES = 128 * 2 ** 20
const GARBAGE_PERCENT = 20

export interface StartOptions {
  /** `--allow-pipeline-change`. */
  readonly allowChange?: boolean
  /** Whether this node also rewrites the sources, where the pipeline asks for it. */
  readonly repartitions?: boolean
  /** `--accept-loss`. */
  readonly acceptLoss?: readonly AcceptedLoss[]
}

export async function startNode(config: Config, id: string, options: StartOptions = {}): Promise<number> {
  const logger = faultLog(makeLogger(config.node.log.level, { node: id }))
  if (config.node.memory.stateBytes < SMALL_STATE_BYTES) setFlagsFromString(`--heap-growing-percent=${GARBAGE_PERCENT}`)
  const stopped = toldToStop()
  const folder = await takeDataFolder(config.node.dataDir)
  try {
    return await runNode({ config, id, folder: folder.name, logger, stopped, options })
  } finally {
    await folder.release()
  }
}

interface Run {
  readonly config: Config
  readonly id: string
  /** The data folder's name. */
  readonly folder: string
  readonly logger: ReturnType<typeof faultLog>
  readonly stopped: Promise<void>
  readonly options: StartOptions
}

function ghostsOf(group: string, { config, folder }: Run, log: Log): GhostOptions {
  const headers = askingHeaders(config.node.control)
  return {
    log,
    group,
    folder,
    isThere: (member) =>
      ask<{ node: string }>(member, '/status', { headers }).then(
        (status) => status.node === member.id,
        () => false,
      ),
  }
}

/** Of the sources' partitions none is better here than elsewhere. */
function repartitioningMember({ config, id, folder }: Run, url: string): Buffer {
  const { fingerprint, digests } = config.pipeline
  return encodeMember({ id, folder, url, version: readVersion(), fingerprint, digests, owns: [], holds: [] })
}

/** Before this node's control server is there, which a dead one's address may lead to. */
async function admission(run: Run, log: Log): Promise<readonly string[]> {
  const { config, id, logger, options } = run
  const { pipeline, node } = config
  if (pipeline.repartition !== undefined) {
    const group = repartitionGroup(config)
    await dismissGhosts(await log.members(group), ghostsOf(group, run, log))
  }
  return admit({
    ...ghostsOf(node.group, run, log),
    id,
    pipeline,
    allowChange: options.allowChange === true,
    sessionTimeoutMs: node.kafka?.sessionTimeoutMs ?? 0,
    onWaiting: (reason) => logger.warn({ group: node.group, reason }, 'waiting before joining the group'),
  })
}

/** Resolves with the first signal, or when a parent is gone; a second one ends the process. */
function toldToStop(): Promise<void> {
  return new Promise<void>((resolve) => {
    const signals = new StopSignals(systemClock)
    const told = (): void => {
      if (signals.heard() === 'second') process.exit(1)
      resolve()
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, told)
    process.on('disconnect', () => {
      signals.heard()
      resolve()
    })
  })
}

/** As if it were killed: what was not committed is joined again. */
function cutShort(logger: Run['logger']): never {
  logger.flush()
  const told = 'did not stop in time, and ends as it is: what is not committed is joined again at the next start'
  logger.error({ limitMs: STOP_LIMIT_MS }, told)
  process.exit(1)
}

async function runNode(run: Run): Promise<number> {
  const { config, id, folder, logger, stopped, options } = run
  const { limits } = config.pipeline
  const sources = await Promise.all(config.pipeline.sources.map((source) => openSourceReader(source, limits)))
  const readers = joinReaders(config.pipeline, sources)
  const log = await openLog(config, id, logger)
  await setUp({ log, config, readers, logger }).catch(async (error: Error) => {
    await log.close()
    throw error
  })
  const alsoWith = await admission(run, log).catch(async (error: Error) => {
    await log.close()
    throw error
  })
  const journal = await openJournal(config, logger)
  const snapshots = openSnapshots(config, log)
  const { acceptLoss, repartitions = true } = options
  const node = new Node({ config, id, folder, log, readers, logger, journal, alsoWith, snapshots, acceptLoss })
  const { dataDir } = config.node
  const reported = reportReplay({ partitions: () => node.partitions, logger, stream: process.stderr })
  let control: ControlServer | undefined
  let repartitioner: Repartitioner | undefined
  const stop = async (): Promise<number> => {
    logger.info({}, 'stopping')
    setTimeout(() => cutShort(logger), STOP_LIMIT_MS).unref()
    reported()
    // Meanwhile it answers: alive, and not ready.
    node.announceStop()
    // Told at the end; a node that has stopped holds no partition any more.
    const partitionsStopped = node.stopped
    await repartitioner?.stop()
    await node.stop()
    await control?.close()
    await snapshots?.close()
    await journal.close()
    await log.close()
    logger.close()
    logger.info({}, 'stopped')
    for (const { stoppedBy } of partitionsStopped) process.stderr.write(`postview: ${stoppedBy?.message}\n`)
    return partitionsStopped.length === 0 ? 0 : 1
  }
  try {
    control = await startControlServer({
      node,
      inside: { node },
      readers: sources,
      control: config.node.control,
      dataDir,
      version: readVersion(),
      logger,
      faults: logger.counts,
      repartition: () => repartitioner?.view,
    })
    const url = reachedAt(control.url, config.node.control)
    const isStarted = await Promise.race([node.start(url).then(() => true), node.failed, stopped.then(() => false)])
    if (!isStarted) return await stop()
    if (repartitions && config.pipeline.repartition !== undefined) {
      const memberInfo = (): Buffer => repartitioningMember(run, url)
      repartitioner = await startRepartitioner({ config, log, readers: sources, logger, memberInfo })
    }
    logger.info({ group: config.node.group, log: log.kind, control: control.url }, 'node started')
    await Promise.race([stopped, node.failed, repartitioner?.failed ?? stopped])
  } catch (error) {
    logger.flush()
    logger.error({ error: (error as Error).message }, 'the node cannot go on')
    process.stderr.write(`postview: ${(error as Error).message}\n`)
    await Promise.race([control?.close(), new Promise((resolve) => setTimeout(resolve, 1000))])
    return 1
  }
  return stop()
}
