/**
 * TLS and SASL as node.yaml names them, against a real broker: with a client's certificate, and with credentials of each
 * mechanism, records go in and come out through a group. What the broker refuses is one clear line and exit code 1.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KafkaConfig } from '../../src/config/model.ts'
import { openKafkaLog } from '../../src/log/kafka/kafkaLog.ts'
import { configFolder } from '../cli/configFolder.ts'
import { run } from '../cli/run.ts'
import { uniqueName } from '../support/broker.ts'
import { batchOf, Recorder } from '../support/kafkaTools.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { PASSWORD, type SecureBroker, secureBroker, USER, unsecuredToken } from '../support/secureBroker.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const HOUR_MS = 3_600_000
const VALUES = ['one', 'two', 'three']

let dir: TempDir
let secure: SecureBroker
let program: Program
/** Begun early: the client tries for some seconds, since a connection that fails may be one that is being opened. */
let certificateErrors: Promise<readonly string[]>
beforeAll(async () => {
  dir = await tempDir()
  ;[secure, program] = await Promise.all([secureBroker(dir.path), buildProgram()])
  await Promise.all([
    writeFile(join(dir.path, 'password'), `${PASSWORD}\n`),
    writeFile(join(dir.path, 'wrong'), 'another-password\n'),
    writeFile(join(dir.path, 'token'), unsecuredToken(USER, HOUR_MS)),
    writeFile(join(dir.path, 'old-token'), unsecuredToken(USER, -HOUR_MS)),
  ])
  const errorOf = async (words: object): Promise<string> => {
    const { kafka } = await configured(words)
    return openKafkaLog({ kafka, clientId: 'refused' }).then(
      () => 'connected',
      (error: Error) => error.message,
    )
  }
  certificateErrors = Promise.all([
    errorOf({ brokers: [secure.tls], ssl: ssl() }),
    errorOf({ brokers: [secure.sasl], ssl: true, sasl: password('plain') }),
  ])
})
afterAll(async () => {
  await secure?.broker.stop()
  await program?.remove()
  await dir?.remove()
})

const file = (name: string): string => `file:${join(dir.path, name)}`
const ssl = (): object => ({ ca: file('ca.pem') })
const password = (mechanism: string, name = 'password'): object => {
  return { mechanism, username: USER, password: file(name) }
}
const oauth = (name: string): object => ({ mechanism: 'oauthbearer', token: file(name) })
const overSasl = (sasl: object): object => ({ brokers: [secure.sasl], ssl: ssl(), sasl })
const withCertificate = (): object => {
  return { brokers: [secure.tls], ssl: { ...ssl(), cert: file('client.pem'), key: file('client.key') } }
}

/** A configuration folder with these words under `kafka`, and what the program makes of them. */
async function configured(kafka: object): Promise<{ folder: string; kafka: KafkaConfig }> {
  const { folder, config } = await configFolder(join(dir.path, uniqueName('config')), { kafka })
  return { folder, kafka: config.node.kafka! }
}

it.each([
  ['TLS with a certificate', withCertificate],
  ['plain', () => overSasl(password('plain'))],
  ['scram-sha-256', () => overSasl(password('scram-sha-256'))],
  ['scram-sha-512', () => overSasl(password('scram-sha-512'))],
  ['oauthbearer', () => overSasl(oauth('token'))],
])('records go in and come out through a group: %s', async (_, words) => {
  const { kafka } = await configured(words())
  const log = await openKafkaLog({ kafka, clientId: 'secure' })
  try {
    const topic = uniqueName('secure')
    await log.createTopics([{ topic, partitions: 1 }])
    const writer = await log.writer()
    await writer.append(topic, 0, batchOf(VALUES))
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await reader.start()
    await recorder.until(() => recorder.records.length === VALUES.length)
    await reader.commit([{ topic, partition: 0, offset: VALUES.length, metadata: 'm' }])
    expect(recorder.records.map(({ value }) => value)).toEqual(VALUES)
    expect(recorder.failures).toEqual([])
  } finally {
    await log.close()
  }
})

it.each([
  ['plain', () => overSasl(password('plain', 'wrong')), /authentication failed/i],
  ['scram-sha-256', () => overSasl(password('scram-sha-256', 'wrong')), /authentication failed/i],
  ['scram-sha-512', () => overSasl(password('scram-sha-512', 'wrong')), /authentication failed/i],
  ['oauthbearer, a token that has run out', () => overSasl(oauth('old-token')), /authentication failed/i],
])('says that credentials are refused, and by whom, and none of them: %s', async (_, words, reason) => {
  const { folder } = await configured(words())
  const { stdout, exitCode } = await run('check', '--config', folder)
  const told = stdout.split('\n').filter((line) => line.startsWith('PROBLEM'))
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(reason)
  expect(exitCode).toBe(1)
  expect(stdout).not.toMatch(/another-password|eyJ/)
})

it('says that a certificate is missing, or of an authority that is not known', async () => {
  const [noCertificate, unknown] = await certificateErrors
  expect(noCertificate).toMatch(/^connecting to 127\.0\.0\.1:\d+: .*certificate/i)
  expect(unknown).toMatch(/^connecting to 127\.0\.0\.1:\d+: .*certificate/i)
})

it('a node that is refused ends with exit code 1 and one line', async () => {
  const { folder } = await configured(overSasl(password('plain', 'wrong')))
  const node = new NodeProcess(program.folder, folder)
  expect(await node.exited).toBe(1)
  await node.ready.catch(() => {})
  const told = node.lines.filter((line) => line.startsWith('postview: '))
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/authentication/i)
  expect(node.lines.join('\n')).not.toMatch(/another-password/)
})
