/**
 * What brokers of this machine have in common, made once and kept in a folder of the reader's cache: the jars, brought by
 * Maven; beside them a formatted storage; and for brief brokers (broker.mjs) the classes as Java has them in memory.
 *
 * Invariant: each of them appears whole or not at all: it is made under another name and renamed. So two processes may
 * make it at once.
 * How it fails: without jars, with the end of Maven's output. The other two only save time: where the folder takes nothing
 * more, there are none.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { access, constants, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const KAFKA_VERSION = '3.9.1'
const LOG_TAIL_LINES = 30
const run = promisify(execFile)

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postview</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return process.env.POSTVIEW_KAFKA_CACHE || join(base, 'postview', `kafka-${KAFKA_VERSION}`)
}

export const hasJars = () => existsSync(join(cacheFolder(), 'libs'))

/** A storage without credentials, formatted. */
export const formattedPath = () => join(cacheFolder(), 'formatted')

/** Java's archive of loaded classes; of another Java it is passed over by Java itself. */
export const classesPath = () => join(cacheFolder(), 'classes.jsa')

/** Whether they are not there and could be kept. */
export async function lacksClasses() {
  if (existsSync(classesPath())) return false
  return access(cacheFolder(), constants.W_OK).then(
    () => true,
    () => false,
  )
}

/** The class path of the broker; brings the jars when the cache has none. */
export async function bringKafka() {
  const folder = cacheFolder()
  if (!hasJars()) await bringJars(folder)
  return join(folder, 'libs', '*')
}

async function bringJars(folder) {
  await mkdir(dirname(folder), { recursive: true })
  const building = await mkdtemp(`${folder}.building-`)
  const libs = `-DoutputDirectory=${join(building, 'libs')}`
  try {
    await writeFile(join(building, 'pom.xml'), POM)
    const args = ['-q', '-B', '-f', join(building, 'pom.xml'), 'dependency:copy-dependencies', libs]
    await run('mvn', args, { maxBuffer: 64 * 1024 * 1024 })
    await moveInPlace(building, folder)
  } catch (error) {
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`
    throw new Error(`Maven could not bring Kafka ${KAFKA_VERSION}: ${lastLines(output)}`)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

async function moveInPlace(from, to) {
  try {
    await rename(from, to)
  } catch (error) {
    // Another process was first: its copy is as good as ours.
    if (!hasJars()) throw error
  }
}

/** Keeps a copy of a file or folder under one of the paths above. */
export async function keep(made, path) {
  const copy = `${path}.${process.pid}`
  try {
    await cp(made, copy, { recursive: true })
    await rename(copy, path)
  } catch {
    // The cache takes nothing more, or another process was first with a folder.
    await rm(copy, { recursive: true, force: true })
  }
}

export function lastLines(text) {
  return text.trim().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}
