/**
 * One measured run of a program: started on its core, run until its output is complete, asked of the kernel, stopped.
 *
 * CPU: user and system seconds of the whole process, less those of the same program on empty topics.
 * Rate: input events over the time from the first record read to the last output's LogAppendTime.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeSettings } from '../dist/cluster/processSettings.js'
import { Child, cpuByThread, cpuSeconds, loadAverage, memoryOf } from './program.mjs'
import { checkSamples, createTopics, untilRecords } from './topics.mjs'
import { engagementSchema, viewSchema } from './workload.mjs'

const { stringify } = createRequire(import.meta.url)('yaml')

/** After the output is complete: the last commit is in it. */
const SETTLE_MS = 2_000
export const JOIN_CORE = 0

/**
 * Writes pipeline.yaml, node.yaml and the schemas; gives the folder. `more` is of node.yaml. Nodes of one `pipeline` are
 * of one group.
 */
export function writeConfig(
  world,
  name,
  {
    topics,
    output,
    format = 'avro',
    time = {},
    within = '10m',
    memory = {},
    kafka = {},
    delivery,
    repartition,
    pipeline: pipelineName = name,
    more = {},
  },
) {
  const folder = join(world.folder, name)
  mkdirSync(folder, { recursive: true })
  const schemas = { view: viewSchema, engagement: engagementSchema }
  for (const [file, schema] of Object.entries(schemas))
    writeFileSync(join(folder, `${file}.avsc`), JSON.stringify(schema))
  const source = (topic, schema, fields) => ({
    topic,
    format: format === 'json' ? { type: 'json' } : { type: 'avro', schema: join(folder, `${schema}.avsc`) },
    fields: {
      ...(format === 'json' ? {} : { viewId: 'view_id' }),
      userId: 'user_id',
      itemId: 'item_id',
      time: 'event_time',
      ...fields,
    },
  })
  const label = (on) => ({ on, within })
  const pipeline = {
    name: pipelineName,
    sources: {
      views: source(topics[0], 'view', {}),
      engagements: [source(topics[1], 'engagement', { type: 'type', value: 'value' })],
    },
    labels: {
      click: label('click'),
      like: label('like'),
      share: label('share'),
      watch_ms: { ...label('watch'), fold: 'max' },
    },
    // History: its times lie far behind the clock, and silence is to move nothing.
    time: { outOfOrderness: '5s', allowedLateness: '0s', maxClockSkew: 'off', idleAfter: '1h', ...time },
    createTopics: true,
    ...(delivery === undefined ? {} : { delivery }),
    ...(repartition === undefined ? {} : { repartition }),
    sinks: [{ type: 'kafka', topic: output, format: 'avro', compression: 'lz4' }],
    sideOutputs: {
      late: `${pipelineName}-late`,
      orphans: `${pipelineName}-orphans`,
      deadLetters: `${pipelineName}-dead`,
    },
  }
  const node = {
    kafka: { brokers: [world.brokers], ...kafka },
    dataDir: join(folder, 'data'),
    control: { host: '127.0.0.1', port: 0 },
    memory,
    ...more,
  }
  writeFileSync(join(folder, 'pipeline.yaml'), stringify(pipeline))
  writeFileSync(join(folder, 'node.yaml'), stringify(node))
  return folder
}

/**
 * A node on its core, with the settings that it gives itself where Node can (processSettings.ts). `assigned` resolves when
 * it begins to read, `started` with its control address.
 */
export function startNode(world, configFolder, { flags = [], core = JOIN_CORE, id } = {}) {
  const command = ['cluster', 'start', '--config', configFolder, ...(id === undefined ? [] : ['--id', id])]
  const { execArgv, env } = nodeSettings({ execArgv: flags, env: process.env })
  const args = [...execArgv, join(world.program, 'dist/cli/main.js'), ...command]
  const child = new Child({ node: world.node, core, args, env })
  return { child, assigned: child.line('"partitions assigned"'), started: child.line('"node started"') }
}

/** The samples' schema, by the program itself. */
export async function sampleSchemaOf(world, configFolder) {
  const args = [join(world.program, 'dist/cli/main.js'), 'schema', '--config', configFolder]
  return JSON.parse(execFileSync(world.node, args, { encoding: 'utf8' }))
}

async function emptyTopics({ built }, names) {
  await createTopics(built.log, names, 'CreateTime', built.partitions)
}

/** CPU seconds that a node takes to start and to idle shortly. */
export async function joinStartUp(world, name, config = {}) {
  const topics = [`${name}-views`, `${name}-engagements`]
  await emptyTopics(world, topics)
  const node = startNode(world, writeConfig(world, name, { topics, output: `${name}-samples`, ...config }))
  await node.started
  await sleep(SETTLE_MS)
  const cpuS = cpuSeconds(node.child.pid)
  await node.child.stop()
  return cpuS
}

export async function passThroughStartUp(world, name) {
  const topics = [`${name}-views`, `${name}-engagements`]
  await emptyTopics(world, topics)
  await createTopics(world.built.log, [`${name}-output`], 'LogAppendTime')
  const child = startPassThrough(world, name, `${name}-output`, topics)
  await child.line('"started"')
  await sleep(SETTLE_MS)
  const cpuS = cpuSeconds(child.pid)
  await child.stop()
  return cpuS
}

function startPassThrough(world, group, output, topics) {
  const args = [join(world.program, 'bench/passThrough.mjs'), world.brokers, group, output, ...topics]
  return new Child({ node: world.node, core: JOIN_CORE, args })
}

export async function measurePassThrough(world, name, input) {
  const output = `${name}-output`
  await createTopics(world.built.log, [output], 'LogAppendTime')
  const load = loadAverage()
  const child = startPassThrough(world, name, output, input.topics)
  const [reading, done] = await Promise.all([child.line('"reading"'), child.line('"done"')])
  await sleep(SETTLE_MS)
  const result = costs(child.pid, input, world.startUp.passThrough, done.time - reading.time, load)
  await child.stop()
  return result
}

/** A join of loaded topics, to its last sample, checked. */
export async function measureJoin(world, name, input, { startUpS, flags, ...rest } = {}) {
  const output = `${name}-samples`
  await createTopics(world.built.log, [output], 'LogAppendTime', world.built.partitions)
  const config = writeConfig(world, name, { topics: input.topics, output, ...rest })
  const load = loadAverage()
  const node = startNode(world, config, { flags })
  const [assigned] = await Promise.all([node.assigned, node.started])
  // The ends of transactions count too, some dozens; what is then missing comes while it settles.
  await untilRecords(world.built.log, output, input.answer.views, node.child.failed)
  await sleep(SETTLE_MS)
  const measured = costs(node.child.pid, input, startUpS, 0, load)
  await node.child.stop()
  const check = await checkSamples(
    world.built,
    output,
    await sampleSchemaOf(world, config),
    input.answer,
    rest.format === 'json',
  )
  const seconds = (check.lastAppendMs - assigned.time) / 1000
  return { ...measured, seconds, eventsPerS: input.answer.events / seconds, check }
}

function costs(pid, { answer }, startUpS, elapsedMs, load) {
  const cpuS = cpuSeconds(pid) - startUpS
  return {
    cpuS,
    cpuSPerMillion: (cpuS / answer.events) * 1e6,
    seconds: elapsedMs / 1000,
    eventsPerS: answer.events / (elapsedMs / 1000),
    peakBytes: memoryOf(pid, 'VmHWM'),
    threads: cpuByThread(pid),
    load,
  }
}
