import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigFolder } from './configFolder.ts'

let folder: ConfigFolder
beforeEach(() => {
  folder = new ConfigFolder()
})
afterEach(() => folder.remove())

describe('the environment overrides node.yaml', () => {
  test('by the path of the key, upper-cased', () => {
    folder.write({}, 'dataDir: here\nmemory: { state: 1GiB, output: 1MiB }\n')
    const { node } = folder.load({
      POSTVIEW_KAFKA_BROKERS: 'a:9092, b:9093',
      POSTVIEW_DATA_DIR: 'there',
      POSTVIEW_CONTROL_PORT: '0',
      POSTVIEW_MEMORY_STATE: '64MiB',
      POSTVIEW_MEMORY_IN_FLIGHT: '8MiB',
      POSTVIEW_COMMIT_EVERY: '250ms',
      POSTVIEW_JOURNAL: 'false',
      POSTVIEW_KAFKA_SSL: 'true',
      POSTVIEW_EMBEDDED_PARTITIONS: '7',
      POSTVIEW_LOG_LEVEL: '',
      HOME: 'x',
    })
    expect(node).toMatchObject({
      kafka: { brokers: ['a:9092', 'b:9093'], ssl: true, sessionTimeoutMs: 10_000 },
      dataDir: 'there',
      control: { port: 0 },
      memory: { stateBytes: 64 << 20, inFlightBytes: 8 << 20, outputBytes: 1 << 20 },
      commitEveryMs: 250,
      journal: false,
      embedded: { partitions: 7 },
      log: { level: 'info' },
    })
  })

  test('but a variable of a section that names no key is refused, and so are wrong values', () => {
    folder.write()
    expect(folder.refusal({ POSTVIEW_KAFKA_BROKER: 'a:1' }).message).toMatch(
      /environment: POSTVIEW_KAFKA_BROKER: names no key/,
    )
    expect(folder.refusal({ POSTVIEW_CONTROL_PORT: 'x' }).message).toMatch(
      /POSTVIEW_CONTROL_PORT: must be a number \(is "x"\)/,
    )
    expect(folder.refusal({ POSTVIEW_JOURNAL: 'yes' }).message).toMatch(/POSTVIEW_JOURNAL: must be true or false/)
    expect(folder.refusal({ POSTVIEW_COMMIT_EVERY: 'often' }).key).toBe('commitEvery')
  })
})

describe('secrets', () => {
  const sasl = (password: string) =>
    `kafka: { brokers: ['b:1'], sasl: { mechanism: scram-sha-512, username: env:WHO, password: ${password} } }\n`

  test('come from the environment and from files', () => {
    writeFileSync(join(folder.path, 'pw'), 'swordfish\n')
    folder.write({}, sasl('file:pw'))
    expect(folder.load({ WHO: 'me' }).node.kafka?.sasl).toEqual({
      mechanism: 'scram-sha-512',
      username: 'me',
      password: 'swordfish',
    })
    folder.write({}, sasl('env:PW'))
    expect(folder.load({ WHO: 'me', PW: 'x' }).node.kafka?.sasl).toMatchObject({ password: 'x' })
    expect(folder.load({ WHO: 'me', POSTVIEW_KAFKA_SASL_PASSWORD: 'y' }).node.kafka?.sasl).toMatchObject({
      password: 'y',
    })
  })

  test('written out in the file are refused, without being repeated in the message', () => {
    folder.write({}, sasl('swordfish'))
    const error = folder.refusal({ WHO: 'me' })
    expect(error.message).toMatch(/kafka\.sasl\.password: must be env:NAME or file:PATH/)
    expect(JSON.stringify(error) + error.message).not.toContain('swordfish')
    folder.write({ 'sources.views.format': { type: 'avro', registry: 'http://me:swordfish@host' } })
    expect(folder.refusal({}).message).not.toContain('swordfish')
  })

  test('are in no address, however they are written there, and are not repeated', () => {
    const urls = [
      'http://me:pike@fish@reg:8081',
      'http://me:pike/fish@reg',
      'http://me:80/pike/fish@reg',
      'http://me:pike#fish@reg',
      'http://pike@reg',
      `http://${'long'.repeat(30)}:pike@reg`,
      'me:pike@reg:8081',
      'ftp:me:pike@reg',
      'http://me:pi"ke@reg',
    ]
    for (const url of urls) {
      for (const registry of [url, { url }]) {
        folder.write({ 'sources.views.format': { type: 'avro', registry } })
        const error = folder.refusal()
        expect(error.message).toMatch(/registry(\.url)?: must not hold credentials.*\.\.\.@reg/)
        expect(JSON.stringify(error) + error.message).not.toMatch(/pike|fish|ke@|long/)
      }
      folder.write({}, `kafka: { brokers: ['${url}:9092'] }\n`)
      const error = folder.refusal()
      expect(error.message).toMatch(/kafka\.brokers\.0: must be host:port/)
      expect(JSON.stringify(error) + error.message).not.toMatch(/pike|fish|ke@|long/)
    }
    folder.write({ 'sources.views.format': { type: 'avro', registry: 'http://reg:99999' } })
    expect(folder.refusal().message).toMatch(/registry: must be an http or https URL \(is "http:\/\/reg:99999"\)/)
  })

  test('are not repeated where the key is misspelled or the section misplaced', () => {
    const wrong = [
      `kafka: { brokers: ['b:1'], sasl: { mechanism: plain, username: swordfish, pasword: swordfish } }`,
      `kafka: { brokers: ['b:1'], sasl: swordfish }`,
      `kakfa: { brokers: ['b:1'], sasl: { password: swordfish } }`,
      `kafka: { brokers: ['b:1'], password: swordfish, ssl: { key: [swordfish] } }`,
      `kafka: [{ brokers: ['b:1'], sasl: { password: swordfish } }]`,
    ]
    for (const node of wrong) {
      folder.write({}, node)
      const error = folder.refusal()
      expect(JSON.stringify(error) + error.message).not.toContain('swordfish')
    }
  })

  test('that are missing are named', () => {
    folder.write({}, sasl('env:PW'))
    expect(folder.refusal({ WHO: 'me' }).message).toMatch(
      /kafka\.sasl\.password: the environment variable PW is not set/,
    )
    folder.write({}, sasl('file:nowhere'))
    expect(folder.refusal({ WHO: 'me' }).message).toMatch(/the file nowhere cannot be read: ENOENT/)
  })

  test('of the schema registry are resolved and stay out of the fingerprint', () => {
    const registry = { url: 'http://r:8081', username: 'me', password: 'env:PW' }
    folder.write({ 'sources.views.format': { type: 'avro', registry } })
    const one = folder.load({ PW: '1' }).pipeline
    expect(one.sources[0].format).toEqual({
      type: 'avro',
      registry: { url: 'http://r:8081', username: 'me', password: '1' },
    })
    expect(folder.load({ PW: '2' }).pipeline.fingerprint).toBe(one.fingerprint)
  })

  test('of TLS are PEM texts: a path that is not said to be one, and a wrong file, are refused and not repeated', () => {
    const text = (what: string) => `-----BEGIN ${what}-----\nabc\n-----END ${what}-----`
    writeFileSync(join(folder.path, 'ca.pem'), `${text('CERTIFICATE')}\n`)
    writeFileSync(join(folder.path, 'key.pem'), `${text('PRIVATE KEY')}\n`)
    writeFileSync(join(folder.path, 'wrong'), 'swordfish\n')
    const refused = (ssl: object, env: NodeJS.ProcessEnv = {}) => {
      folder.write({}, JSON.stringify({ kafka: { brokers: ['b:1'], ssl } }))
      const error = folder.refusal(env)
      expect(JSON.stringify(error) + error.message).not.toMatch(/swordfish|somewhere/)
      return error.problems.map((it) => `${it.key}: ${it.message}`)
    }
    expect(refused({ ca: '/somewhere/ca.pem', cert: 'somewhere.pem' })).toEqual([
      expect.stringMatching(/^kafka\.ssl\.ca: must be file:PATH or env:NAME of a PEM text/),
      expect.stringMatching(/^kafka\.ssl\.cert: must be file:PATH/),
    ])
    for (const key of ['ca', 'cert', 'key']) {
      const found = [refused({ [key]: 'file:wrong' }), refused({ [key]: 'env:PEM' }, { PEM: '/somewhere/ca.pem' })]
      for (const told of found) expect(told).toEqual([expect.stringMatching(`^kafka.ssl.${key}: .*no PEM text`)])
    }
    const ssl = { ca: text('CERTIFICATE'), cert: 'file:ca.pem', key: 'file:key.pem' }
    folder.write({}, JSON.stringify({ kafka: { brokers: ['b:1'], ssl } }))
    expect(folder.load().node.kafka?.ssl).toEqual({
      ca: text('CERTIFICATE'),
      cert: text('CERTIFICATE'),
      key: text('PRIVATE KEY'),
    })
  })

  test('each SASL mechanism wants its own keys', () => {
    folder.write({}, `kafka: { brokers: ['b:1'], sasl: { mechanism: oauthbearer, username: u } }\n`)
    expect(folder.refusal().problems.map((it) => `${it.key} ${it.message}`)).toEqual([
      'kafka.sasl.username has no place in oauthbearer',
      'kafka.sasl.token is needed for oauthbearer',
    ])
  })
})

describe('the control server', () => {
  const TOKEN = 'a-token-of-some-length'

  test('stays on this machine where there are no tokens', () => {
    for (const host of ['0.0.0.0', '10.0.0.1', '::', 'example.org']) {
      folder.write({}, `control: { host: '${host}' }\n`)
      expect(folder.refusal().message).toMatch(/control\.host: must be a loopback address/)
      folder.write({}, `control: { host: '${host}', tokens: { operate: env:T } }\n`)
      expect(folder.refusal({ T: TOKEN }).message).toMatch(/control\.host: must be a loopback address/)
    }
    folder.write({}, `control: { host: '::1' }\n`)
    expect(folder.load().node.control.host).toBe('::1')
  })

  test('has tokens by reference, several while one is being changed', () => {
    writeFileSync(join(folder.path, 'tokens'), `${TOKEN}-1\n${TOKEN}-2\n`)
    folder.write({}, `control: { host: 0.0.0.0, tokens: { read: file:tokens } }\n`)
    const { tokens } = folder.load({ POSTVIEW_CONTROL_TOKENS_OPERATE: TOKEN }).node.control
    expect(tokens).toEqual({ read: [`${TOKEN}-1`, `${TOKEN}-2`], operate: [TOKEN], privileged: [] })
  })

  test('refuses tokens that are written out, short or no text of a header, and repeats none', () => {
    folder.write({}, `control: { tokens: { read: ${TOKEN} } }\n`)
    const written = folder.refusal()
    expect(written.message).toMatch(/control\.tokens\.read: must be env:NAME or file:PATH/)
    folder.write({}, `control: { tokens: { read: env:T, opperate: ${TOKEN} } }\n`)
    const misspelled = folder.refusal({ T: TOKEN })
    expect(misspelled.message).toMatch(/control\.tokens\.opperate: no such key/)
    folder.write({}, `control: { tokens: { read: env:T } }\n`)
    const bad = ['swordfish', `${TOKEN} swordfish`, `schwertfisch-aus-ö${TOKEN}`].map((T) => folder.refusal({ T }))
    for (const error of bad) expect(error.message).toMatch(/control\.tokens\.read: each token must be at least 16/)
    expect([written, misspelled, ...bad].map((it) => JSON.stringify(it) + it.message).join()).not.toMatch(
      /swordfish|a-token|schwert/,
    )
  })

  test('masks ids only where somebody may see them', () => {
    folder.write({}, 'control: { mask: true, tokens: { read: env:T } }\n')
    expect(folder.refusal({ T: TOKEN }).message).toMatch(/control\.mask: needs control\.tokens\.privileged/)
    folder.write({}, 'control: { mask: true, tokens: { privileged: env:T } }\n')
    expect(folder.load({ T: TOKEN }).node.control.mask).toBe(true)
  })
})
