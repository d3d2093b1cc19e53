/**
 * A real broker that is reached over TLS with a client's certificate, or over TLS with a user's credentials, of each
 * mechanism that Kafka has; the certificates are made here, and good for this machine alone.
 *
 * How it fails: without openssl with what to install.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../scripts/broker.mjs'
import { type Broker, ownBroker } from './broker.ts'

export const USER = 'alice'
export const PASSWORD = 'a-password-of-this-test'

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']
const LOGIN = 'org.apache.kafka.common.security'

export interface SecureBroker {
  readonly broker: Broker
  /** Asks for a client's certificate. */
  readonly tls: string
  /** Asks for credentials. */
  readonly sasl: string
  /** Files of PEM. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export async function secureBroker(folder: string): Promise<SecureBroker> {
  const at = (name: string): string => join(folder, name)
  const ssl = (...args: string[]) => openssl(folder, args)
  const request = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await ssl('req', '-x509', ...request, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority of a test')
  await writeFile(at('names'), 'subjectAltName=IP:127.0.0.1\n')
  for (const name of ['broker', 'client']) {
    await ssl('req', ...request, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
    await ssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...authority)
  }
  const [key, cert] = await Promise.all([readFile(at('broker.key'), 'utf8'), readFile(at('broker.pem'), 'utf8')])
  await writeFile(at('keystore.pem'), `${key}\n${cert}`)
  const [tls, sasl] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const broker = await ownBroker({
    listeners: [`SSL://${tls}`, `SASL_SSL://${sasl}`],
    scram: ['256', '512'].map((bits) => `SCRAM-SHA-${bits}=[name=${USER},password=${PASSWORD}]`),
    extra: [
      'ssl.keystore.type=PEM',
      `ssl.keystore.location=${at('keystore.pem')}`,
      'ssl.truststore.type=PEM',
      `ssl.truststore.location=${at('ca.pem')}`,
      'listener.name.ssl.ssl.client.auth=required',
      `sasl.enabled.mechanisms=${MECHANISMS.join(',')}`,
      ...MECHANISMS.map((name) => `listener.name.sasl_ssl.${name.toLowerCase()}.sasl.jaas.config=${login(name)}`),
    ],
  })
  return { broker, tls, sasl, ca: at('ca.pem'), cert: at('client.pem'), key: at('client.key') }
}

function login(mechanism: string): string {
  if (mechanism === 'PLAIN') return `${LOGIN}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`
  if (mechanism !== 'OAUTHBEARER') return `${LOGIN}.scram.ScramLoginModule required;`
  return `${LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
}

/** What Kafka's own login module without signatures takes: a JWS whose algorithm is none. */
export function unsecuredToken(user: string, validMs: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const nowS = Math.floor(Date.now() / 1_000)
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: nowS, exp: nowS + Math.round(validMs / 1_000) })}.`
}

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', args, { cwd: folder }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new Error('openssl is missing: it makes the certificates of the TLS tests')
    throw error
  })
}
