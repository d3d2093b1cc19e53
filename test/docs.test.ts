/**
 * The commands in README.md and docs/ are run as they are typed: every line of every `sh` block, section by section, in a
 * copy of what the project's folder offers, against what `npm test` has built into dist/.
 *
 * What is not the reader's machine: data folder, control port and brokers come from the environment, and on the broker
 * that tests share, topics and group have names of their own. What is not run stands in EXEMPT, with the reason.
 */
import { execFile } from 'node:child_process'
import { cp, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SharedBroker, sharedBroker, uniqueName } from './support/broker.ts'
import { sectionsOf } from './support/documents.ts'
import { readersEnvironment } from './support/readersEnvironment.ts'
import { Service } from './support/service.ts'
import { type TempDir, tempDir } from './support/tempDir.ts'

const ROOT = resolve(import.meta.dirname, '..')
const EXEMPT = new Map([
  ['npm ci && npm run demo', 'packaging.test.ts runs it in a clone'],
  ['npm ci && npm test', 'it is this run'],
  ['npm run kafka', 'it occupies port 9092 until Ctrl-C; the broker behind it is the one that tests use'],
])
const SERVICES = /^(npm start|node cluster start\b)/
const ADDRESS = 'http://127.0.0.1:7400'
const TIMEOUT_MS = 180_000

/** What an answer must show, for the commands that say more than that they are done. */
const ANSWERS: readonly (readonly [command: RegExp, answer: RegExp])[] = [
  [/cluster status/, /node-1 \W* running/],
  [/postview ledger/, /it balances/],
  [/postview check/, /no problems/],
  [/postview inspect users/, /users in memory/],
  [/postview explain/, /sample view-17: (sealed|pending)/],
  [/postview join/, /[1-9][\d,]* samples of .* engagements: [1-9][\d,]* bound/],
  [/\/metrics/, /^# TYPE \w+/m],
  [/\/topics\//, /[1-9]/],
]

const names = ['README.md', ...(await readdir(join(ROOT, 'docs'))).map((name) => `docs/${name}`)]
const texts = await Promise.all(
  names
    .filter((name) => name.endsWith('.md'))
    .map((name) => readFile(join(ROOT, name), 'utf8').then((text) => ({ name, text }))),
)
const sections = texts
  .flatMap(({ name, text }) => sectionsOf(text).map((section) => ({ ...section, name: `${name}: ${section.title}` })))
  .filter(({ commands }) => commands.some((command) => !EXEMPT.has(command)))

let broker: SharedBroker
let dir: TempDir
beforeAll(async () => {
  broker = await sharedBroker()
  dir = await tempDir()
})
afterAll(async () => {
  await broker.stop()
  await dir.remove()
})

/** A folder from which the program runs as from the project's, with a config/kafka for the shared broker. */
async function workFolder(): Promise<string> {
  const folder = join(dir.path, uniqueName('section'))
  for (const name of ['package.json', 'cluster.js', 'postview.js', 'config', 'schemas']) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  }
  for (const name of ['dist', 'node_modules']) await symlink(join(ROOT, name), join(folder, name))
  const own = uniqueName('docs')
  await replaceIn(join(folder, 'config/kafka/pipeline.yaml'), [
    [/^name: /m, `name: ${own}-`],
    [/(\btopic: |\b(?:late|orphans|deadLetters): )/g, `$1${own}-`],
  ])
  await replaceIn(join(folder, 'config/kafka/node.yaml'), [[/group: /, `group: ${own}-`]])
  return folder
}

async function replaceIn(path: string, replacements: readonly (readonly [RegExp, string])[]): Promise<void> {
  const before = await readFile(path, 'utf8')
  await writeFile(
    path,
    replacements.reduce((text, [find, replacement]) => text.replace(find, replacement), before),
  )
}

function environment(folder: string, onKafka: boolean): NodeJS.ProcessEnv {
  return readersEnvironment({
    POSTVIEW_DATA_DIR: join(folder, 'data'),
    POSTVIEW_CONTROL_PORT: '0',
    ...(onKafka ? { POSTVIEW_KAFKA_BROKERS: broker.brokers } : {}),
  })
}

async function answerOf(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd, env, timeout: 60_000 })
  return stdout
}

async function runAll(commands: readonly string[]): Promise<void> {
  const folder = await workFolder()
  const env = environment(
    folder,
    commands.some((command) => command.includes('config/kafka')),
  )
  let service: Service | undefined
  let url = ADDRESS
  try {
    for (const command of commands) {
      if (EXEMPT.has(command)) continue
      if (SERVICES.test(command)) {
        service = new Service(command, folder, env)
        url = await service.ready
        continue
      }
      const answer = await answerOf(command.replaceAll(ADDRESS, url), folder, env)
      const wanted = ANSWERS.find(([pattern]) => pattern.test(command))
      if (wanted !== undefined) expect(answer, command).toMatch(wanted[1])
    }
  } finally {
    await service?.stop()
  }
  if (service !== undefined) expect(service.text).toContain('"stopped"')
}

describe('the documents', () => {
  it('begin with the two commands that a fresh machine needs, typed as they are', () => {
    const commands = sectionsOf(texts[0].text).flatMap((section) => section.commands)
    expect(commands.slice(0, 2)).toEqual(['npm ci && npm run demo', 'npm ci && npm test'])
  })

  it('name no command exempt that they do not have', () => {
    const all = new Set(texts.flatMap(({ text }) => sectionsOf(text)).flatMap((section) => section.commands))
    expect([...EXEMPT.keys()].filter((command) => !all.has(command))).toEqual([])
  })

  it('link to files that are there', async () => {
    for (const { name, text } of texts) {
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1])
      for (const link of links)
        await readFile(resolve(ROOT, dirname(name), link)).catch(() => expect.fail(`${name}: ${link}`))
    }
  })

  it('name files and folders of the project that are there', async () => {
    const files = new Set(await readdir(join(ROOT, 'src'), { recursive: true }))
    for (const { name, text } of texts) {
      const named = [...text.matchAll(/(?:^|[`\s(])(?:src\/)?([a-z]\w*\/[\w/]+\.ts)\b/gim)].map((match) => match[1])
      expect(
        named.filter((path) => !files.has(path)),
        name,
      ).toEqual([])
    }
  })

  it.each(sections)('$name: its commands do what they say', ({ commands }) => runAll(commands), TIMEOUT_MS)
})
