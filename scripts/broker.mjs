/**
 * A real Kafka broker without Docker, for tests, benchmarks and developers.
 *
 * Owns: for each broker a temporary folder with its configuration, data, log and pid file. What brokers have in common is
 * kept between runs (kafkaCache.mjs).
 *
 * Invariants:
 * 1. A broker does not outlive the process that started it: a watchdog, whose standard input is that process's pipe,
 *    kills it when the pipe closes, however the process ended.
 * 2. Loads no Kafka client: tests patch theirs before its first load.
 *
 * How it fails: with one error that says what to install, or shows the end of the broker's log.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { bringKafka, classesPath, formattedPath, hasJars, keep, lacksClasses, lastLines } from './kafkaCache.mjs'

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 20_000
/** A broker of minutes spends most of its time compiling: here by the quick compiler alone, and of classes unchecked. */
const BRIEF = [
  '-XX:+IgnoreUnrecognizedVMOptions',
  '-XX:+UnlockDiagnosticVMOptions',
  '-XX:-BytecodeVerificationRemote',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
]
/** Below those that the system gives to whoever asks for any, which start at 32768 or higher. */
const PORTS = { from: 10_000, to: 32_768 }
const given = new Set()
const run = promisify(execFile)

const LOG4J = `log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c{1} %m%n
`

/** What this machine lacks for a broker, in words; null when nothing. */
export async function missingTools() {
  if (!(await answers('java', ['-version'])))
    return 'java is missing: install Java 17 (Debian: openjdk-17-jre-headless)'
  if (hasJars()) return null
  if (!(await answers('mvn', ['-v'])))
    return 'mvn is missing: install Maven (Debian: maven); it brings the Kafka broker once'
  return null
}

/** For tests: throws with what to install. A test that needs a broker fails without one; it is never skipped. */
export async function requireBroker() {
  const missing = await missingTools()
  if (missing !== null) throw new Error(`A real Kafka broker is needed here, and ${missing}`)
}

async function answers(command, args) {
  try {
    await run(command, args)
    return true
  } catch (error) {
    if (error.code === 'ENOENT') return false
    throw error
  }
}

/**
 * Starts one broker (KRaft, one node) and resolves when it answers.
 * Options: port (default: a free one), dir (kept at stop; default: a fresh temporary folder, removed), cpu (a core for
 * taskset), isBrief (for minutes of little traffic: it costs a third of the CPU to start and is slower once it is warm, so
 * not for measuring), partitionsDefault, listeners (beside the plain one), scram (users with SCRAM credentials), extra (further
 * lines of server.properties, which win), joins (the broker whose cluster this one is the second of).
 */
export async function startBroker(options = {}) {
  await requireBroker()
  const classPath = await bringKafka()
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'postview-kafka-')))
  await mkdir(dir, { recursive: true })
  const port = options.port ?? (await freePort())
  const temporary = options.dir === undefined
  const { cpu, isBrief = false, joins } = options
  const broker = { classPath, dir, temporary, port, cpu, isBrief, joins, child: null, watchdog: null, log: '' }
  try {
    await configure(broker, options)
    if (isBrief && (await lacksClasses())) await leaveClasses(broker)
    await launch(broker)
  } catch (error) {
    await end(broker, 'SIGKILL')
    if (temporary) await rm(dir, { recursive: true, force: true })
    throw error
  }
  return {
    brokers: `127.0.0.1:${port}`,
    port,
    dir,
    get pid() {
      return broker.child?.pid ?? null
    },
    /** Ends it in order and removes its temporary data. */
    async stop() {
      await end(broker, 'SIGTERM')
      if (temporary) await rm(dir, { recursive: true, force: true })
    },
    /** kill -9; the data stay, and `restart` goes on from them. */
    kill: () => end(broker, 'SIGKILL'),
    /** Ends it in order if it runs, and starts it again on the same port and data. */
    async restart() {
      await end(broker, 'SIGTERM')
      await launch(broker)
    },
    /** Freezes and thaws the process: a broker that accepts and does not answer. */
    signal: (name) => broker.child?.kill(name),
  }
}

async function configure(broker, options) {
  const properties = join(broker.dir, 'server.properties')
  await writeFile(join(broker.dir, 'log4j.properties'), LOG4J)
  if (existsSync(properties)) return
  await writeFile(properties, serverProperties(broker, await rolesOf(options.joins), options))
  await format(broker, properties, options.scram ?? [])
}

/** One that joins another's cluster is a broker alone: the cluster's one controller stays with the first. */
async function rolesOf(joins) {
  if (joins === undefined) {
    const port = await freePort()
    const listeners = [`CONTROLLER://127.0.0.1:${port}`]
    return { roles: 'broker,controller', id: 1, voters: `1@127.0.0.1:${port}`, listeners }
  }
  const voters = await setting(join(joins.dir, 'server.properties'), 'controller.quorum.voters')
  return { roles: 'broker', id: 2, voters, listeners: [] }
}

async function setting(file, key) {
  const lines = (await readFile(file, 'utf8')).split('\n')
  return lines.find((line) => line.startsWith(`${key}=`)).slice(key.length + 1)
}

/**
 * A start of Java by itself; so what it writes, the same for all brokers of their own clusters without credentials, is
 * kept beside the jars.
 */
async function format(broker, properties, scram) {
  const data = join(broker.dir, 'data')
  const kept = formattedPath()
  const { joins } = broker
  const isCommon = scram.length === 0 && joins === undefined
  if (isCommon && existsSync(kept)) return cp(kept, data, { recursive: true })
  const id = joins === undefined ? clusterId() : await setting(join(joins.dir, 'data', 'meta.properties'), 'cluster.id')
  const credentials = scram.flatMap((user) => ['--add-scram', user])
  const args = ['kafka.tools.StorageTool', 'format', '-t', id, '-c', properties, ...credentials]
  await run('java', [...jvm(broker, '-Xmx128m'), ...args]).catch((error) => {
    throw new Error(`Kafka's storage could not be formatted: ${lastLines(`${error.stdout}${error.stderr}`)}`)
  })
  if (isCommon) await keep(data, kept)
}

function serverProperties({ dir, port }, own, { partitionsDefault = 4, listeners = [], extra = [] }) {
  const advertised = [`PLAINTEXT://127.0.0.1:${port}`, ...listeners]
  return [
    `process.roles=${own.roles}`,
    `node.id=${own.id}`,
    `controller.quorum.voters=${own.voters}`,
    `listeners=${[...advertised, ...own.listeners].join(',')}`,
    `advertised.listeners=${advertised.join(',')}`,
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${join(dir, 'data')}`,
    `num.partitions=${partitionsDefault}`,
    'auto.create.topics.enable=false',
    // Tests and demonstrations bring events of past years: the default of 7 days would delete them under our feet.
    'log.retention.ms=-1',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'group.initial.rebalance.delay.ms=0',
    'log.cleaner.dedupe.buffer.size=16777216',
    // The controller refuses a broker's new life until the session of the old one, killed, has run out.
    'broker.session.timeout.ms=3000',
    'broker.heartbeat.interval.ms=500',
    ...extra,
    '',
  ].join('\n')
}

/** Kafka's Uuid: 16 bytes in URL-safe base64, not beginning with a dash, which its command line takes for a flag. */
function clusterId() {
  const bytes = randomBytes(16)
  bytes[0] &= 0x7f
  return bytes.toString('base64url')
}

/** A whole life of a broker, at whose end Java leaves the classes that it loaded: that saves all others half of a start. */
async function leaveClasses(broker) {
  const archive = join(broker.dir, 'classes.jsa')
  await launch(broker, [`-XX:ArchiveClassesAtExit=${archive}`])
  await end(broker, 'SIGTERM')
  await keep(archive, classesPath())
}

const archived = () => (existsSync(classesPath()) ? [`-XX:SharedArchiveFile=${classesPath()}`] : [])

function jvm({ classPath, dir, isBrief }, heap, more = archived()) {
  const brief = isBrief ? [...BRIEF, ...more] : []
  return [heap, ...brief, `-Dlog4j.configuration=file:${join(dir, 'log4j.properties')}`, '-cp', classPath]
}

async function launch(broker, more) {
  const args = [...jvm(broker, '-Xmx512m', more), 'kafka.Kafka', join(broker.dir, 'server.properties')]
  const [command, ...rest] =
    broker.cpu === undefined ? ['java', ...args] : ['taskset', '-c', String(broker.cpu), 'java', ...args]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  broker.child = child
  broker.log = ''
  const keep = (chunk) => {
    broker.log = (broker.log + chunk).slice(-65_536)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  child.once('error', (error) => keep(`${error.message}\n`))
  child.once('exit', () => dismiss(broker, child))
  if (child.pid !== undefined) {
    await writeFile(join(broker.dir, 'broker.pid'), `${child.pid}\n`)
    broker.watchdog = watch(child.pid, broker.temporary ? broker.dir : '')
    // An idle test process may end while its broker runs; the watchdog then ends the broker.
    for (const handle of [child, child.stdout, child.stderr, broker.watchdog, broker.watchdog.stdin]) handle.unref?.()
  }
  await answered(broker)
}

/** Kills the broker when our end of its standard input closes: at our exit, our crash, our kill -9. */
function watch(pid, folder) {
  const script = 'cat >/dev/null; kill -9 "$0"; if [ -n "$1" ]; then rm -rf "$1"; fi'
  return spawn('sh', ['-c', script, String(pid), folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
}

function dismiss(broker, child) {
  if (broker.child !== child) return
  broker.child = null
  // SIGKILL, so that it does not go on to kill a pid that may by now be another's.
  broker.watchdog?.kill('SIGKILL')
  broker.watchdog = null
}

async function end(broker, signal) {
  const child = broker.child
  if (child === null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  if (child.pid === undefined) return dismiss(broker, child)
  child.ref()
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(timer)
}

async function answered(broker) {
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (broker.child === null || broker.child.pid === undefined) break
    if (await lists(broker.port, broker.joins === undefined ? 1 : 2)) return
    await sleep(50)
  }
  throw new Error(`Kafka did not start on port ${broker.port}:\n${lastLines(broker.log)}`)
}

/** A Metadata request (v1, all topics), by hand: true once the answer names so many brokers. */
function lists(port, brokers) {
  const request = Buffer.from('000000120003000100000001000470726f62ffffffff', 'hex')
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let answer = Buffer.alloc(0)
    const finish = (value) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(2_000, () => finish(false))
    socket.on('error', () => finish(false))
    socket.on('close', () => finish(false))
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk])
      // size, correlation id, count of brokers
      if (answer.length >= 12) finish(answer.readInt32BE(8) >= brokers)
    })
  })
}

/** A port that nobody listens on, nor was given before: it is taken only later, and must not go to another until then. */
export async function freePort() {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
}

function isFree(port) {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
