/**
 * The anchors on the same trace, in turn with ours: Flink and Kafka Streams as their folder holds them. They read the
 * topics that were loaded for the join, since the schemas are the same, and their own check says whether they are right.
 *
 * What it needs: Java 17 and Maven, and a folder with flink/run.sh, streams/run.sh and trace/check.mjs. The folder is
 * copied first: what the scripts build or install lies in the copy and in the system's temporary folder.
 * How it fails: an anchor that does not run, or answers wrongly, ends the benchmark with the end of what it printed.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JOIN_CORE } from './measures.mjs'
import { loadAverage } from './program.mjs'
import { createTopics } from './topics.mjs'

const DIGEST_MODULUS = 2n ** 53n - 1n
const LIMIT_MS = 15 * 60_000

/** By the names of `--systems`: which script, how it is told, and which rows of the bars it is for. */
export const ANCHORS = {
  'flink-rocksdb': { title: 'Flink, RocksDB, per view id', script: 'flink', args: ['full', 'rocksdb'] },
  'flink-user': { title: 'Flink, RocksDB, per user', script: 'flink', args: ['full', 'rocksdb', '--key', 'user'] },
  'flink-heap': { title: 'Flink, heap, per view id', script: 'flink', args: ['full', 'hashmap'] },
  streams: { title: 'Kafka Streams, RocksDB, window stores', script: 'streams', args: ['rocksdb'] },
}

export class Anchors {
  constructor(world, folder) {
    this.world = world
    this.folder = join(world.folder, 'anchors')
    for (const file of ['flink/run.sh', 'streams/run.sh', 'trace/check.mjs']) {
      if (!existsSync(join(folder, file))) throw new Error(`--anchors ${folder}: there is no ${file}`)
    }
    cpSync(folder, this.folder, { recursive: true })
    if (!existsSync(join(this.folder, 'trace/node_modules'))) {
      execFileSync('npm', ['ci', '--silent'], {
        cwd: join(this.folder, 'trace'),
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    }
    this.startUps = new Map()
  }

  /** One run on the trace: CPU less that of the same program on empty topics. */
  async measure(name, input) {
    const { script, args } = ANCHORS[name]
    const startUpS = await this.startUp(name)
    const expect = join(this.folder, 'expected.json')
    const digest = String(BigInt(input.answer.digest) % DIGEST_MODULUS)
    writeFileSync(expect, JSON.stringify({ views: input.answer.views, input: input.answer.events, digest }))
    const out = `samples-${script}`
    const load = loadAverage()
    const result = this.run(script, args, {
      VIEWS: input.topics[0],
      ENGAGEMENTS: input.topics[1],
      OUT: out,
      EXPECT: expect,
    })
    if (result.correct !== true) throw new Error(`${ANCHORS[name].title}: ${JSON.stringify(result)}`)
    const cpuS = result.cpu_s - startUpS
    return {
      cpuS,
      cpuSPerMillion: (cpuS / input.answer.events) * 1e6,
      eventsPerS: result.whole_input_rate_per_s ?? result.rate_per_s,
      peakBytes: result.peak_rss_mb * 2 ** 20,
      isRight: true,
      load,
    }
  }

  async startUp(name) {
    const { script, args } = ANCHORS[name]
    const key = `${script} ${args[1] ?? args[0]}`
    const known = this.startUps.get(key)
    if (known !== undefined) return known
    const cpuS =
      script === 'flink' ? this.run(script, ['startup', ...args.slice(1)], {}).cpu_s : await this.emptyStreams(args)
    this.startUps.set(key, cpuS)
    return cpuS
  }

  async emptyStreams(args) {
    const [views, engagements] = ['samples-streams-empty-views', 'samples-streams-empty-engagements']
    await createTopics(this.world.built.log, [views, engagements], 'CreateTime')
    const expect = join(this.folder, 'nothing.json')
    writeFileSync(expect, JSON.stringify({ views: 0, input: 1, digest: '0' }))
    return this.run('streams', args, {
      VIEWS: views,
      ENGAGEMENTS: engagements,
      OUT: 'samples-streams-empty',
      EXPECT: expect,
    }).cpu_s
  }

  run(script, args, env) {
    const out = execFileSync('bash', [join(this.folder, script, 'run.sh'), ...args], {
      encoding: 'utf8',
      timeout: LIMIT_MS,
      env: { ...process.env, ...env, BROKERS: this.world.brokers, CPU: String(JOIN_CORE) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return JSON.parse(out.trim().split('\n').at(-1))
  }
}
