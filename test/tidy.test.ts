/**
 * Style that no linter keeps: which folder may know of which, how long a file may be, what each begins with, and what
 * has no business in the repository. A failure names every place.
 *
 * Words that are looked for are put together here, so that this file does not find itself.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import config from '../vitest.config.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LINES_MAX = 400
const CODE = /\.(ts|mjs|js|py)$/

/** What makes the join depend on more than its input. */
const IMPURE = wordsOf(
  'Date performance Math\\.random process setTimeout setInterval setImmediate queueMicrotask globalThis crypto console fetch',
)
const PLACES = ['wo' + 'rk', 'ro' + 'ot', 'ho' + 'me', 't' + 'mp', 'Us' + 'ers']
const MACHINE_PATH = new RegExp(`(?<![\\w.:/-])/(?:${PLACES.join('|')})(?:/|['"\`\\s]|$)`)

interface SourceFile {
  /** From the project's root, with slashes. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

function filesUnder(...folders: string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
      .map((entry) => posix.join(...join(entry.parentPath, entry.name).slice(ROOT.length).split(/[\\/]/)))
      .filter((path) => CODE.test(path))
      .map((path) => {
        const text = readFileSync(join(ROOT, path), 'utf8')
        return { path, text, lines: text.split('\n') }
      }),
  )
}

const source = filesUnder('src').filter(({ path }) => path.endsWith('.ts'))
const tests = filesUnder('test')
const everything = [...source, ...tests, ...filesUnder('bench', 'scripts')]

interface Import {
  readonly from: string
  /** A package or builtin as it is written; a file of the project by its path from the root. */
  readonly to: string
  readonly isType: boolean
}

function importsOf({ path, text }: SourceFile): Import[] {
  const pattern = /^(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm
  return [...text.matchAll(pattern)].map(([, type, named, dynamic]) => {
    const to = named ?? dynamic
    return {
      from: path,
      to: to.startsWith('.') ? posix.join(dirname(path), to) : to,
      isType: type !== undefined,
    }
  })
}

const imports = source.flatMap(importsOf)

/** `src/log/kafka/reader.ts` is of `log`; a package is of none. */
function layerOf(path: string): string | undefined {
  return /^src\/(\w+)\//.exec(path)?.[1]
}

/**
 * What a folder of src may import besides itself: a folder, or one file of it. `type` stands for types alone. Folders
 * that are not named here put things together, and may know of all but the program (`cli`).
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  time: [],
  join: [],
  journal: [],
  config: ['time'],
  log: ['config', 'time', 'src/cluster/assigner.ts'],
  codec: ['config', 'join', 'type src/log/chunk.ts'],
  files: ['config', 'codec', 'src/log/chunk.ts', 'type src/log/port.ts', 'src/join/event.ts'],
  sinks: ['config', 'codec', 'files', 'log'],
  delays: ['join'],
  // A topic is where snapshots may lie: that adapter is of the log.
  snapshots: ['log'],
  actors: ['snapshots', 'codec', 'config', 'join', 'journal', 'log', 'sinks', 'time'],
}

function isAllowed(edge: Import): boolean {
  const from = layerOf(edge.from)!
  const to = layerOf(edge.to)!
  if (from === to) return true
  const allowed = MAY_IMPORT[from]
  if (allowed === undefined) return to !== 'cli'
  return allowed.includes(to) || allowed.includes(edge.to) || (edge.isType && allowed.includes(`type ${edge.to}`))
}

function told(edges: readonly Import[]): string[] {
  return edges.map(({ from, to }) => `${from} imports ${to}`)
}

/** `path:line: text` of each line that matches. */
function linesWith(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  )
}

describe('the layers', () => {
  test('know only of those below them', () => {
    expect(imports.length).toBeGreaterThan(200)
    const inside = imports.filter((edge) => layerOf(edge.to) !== undefined && layerOf(edge.from) !== undefined)
    expect(told(inside.filter((edge) => !isAllowed(edge)))).toEqual([])
  })

  test('of src know nothing of the tests', () => {
    expect(told(imports.filter(({ to }) => /^(test|bench)\//.test(to)))).toEqual([])
  })

  test('import what exists, by its whole name', () => {
    const known = new Set([...filesUnder('src'), ...tests].map(({ path }) => path))
    const relative = imports.filter(({ to }) => to.startsWith('src/'))
    expect(told(relative.filter(({ to }) => !known.has(to)))).toEqual([])
  })
})

describe('the join', () => {
  const join = source.filter(({ path }) => path.startsWith('src/join/'))

  test('imports nothing but itself: no package, no builtin', () => {
    expect(join.length).toBeGreaterThan(15)
    expect(told(join.flatMap(importsOf).filter(({ to }) => !to.startsWith('src/join/')))).toEqual([])
    const builtins = new RegExp(`\\b(require|import)\\(\\s*'(node:|${builtinModules.join("'|")}')`)
    expect(linesWith(join, builtins)).toEqual([])
  })

  test('uses no clock, no randomness, no timer, and nothing of the process', () => {
    expect(linesWith(join.map(codeOf), IMPURE)).toEqual([])
  })

  test('waits for nothing: no promise, no async', () => {
    expect(linesWith(join, /\b(async|await|Promise)\b(?=[\s.<(])/)).toEqual([])
  })
})

describe('files', () => {
  test(`have at most ${LINES_MAX} lines`, () => {
    const long = everything.filter(({ lines }) => lines.length - 1 > LINES_MAX)
    expect(long.map(({ path, lines }) => `${path}: ${lines.length - 1}`)).toEqual([])
  })

  test('of src begin with a comment that says what they own', () => {
    const bare = source.filter(({ text }) => !/^(#!.*\n)?\/(\*\*|\/)/.test(text))
    expect(bare.map(({ path }) => path)).toEqual([])
  })

  test('leave no marks of work undone', () => {
    expect(
      linesWith(everything, new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`)),
    ).toEqual([])
  })

  test('use no `any` without saying why', () => {
    const anyType = /(?:[:<|&]|\bas)\s*any\b(?=\s*(?:[,;)=>[\]|&]|$))/
    const unsaid = everything
      .filter(({ path }) => path.endsWith('.ts'))
      .flatMap(({ path, lines }) =>
        lines.flatMap((line, i) => {
          const isSaid = /\/\/|\*\//.test(line) || /\/\/|\*\//.test(lines[i - 1] ?? '')
          return anyType.test(line) && !isSaid ? [`${path}:${i + 1}: ${line.trim()}`] : []
        }),
      )
    expect(unsaid).toEqual([])
  })

  test('of tests skip nothing and single nothing out', () => {
    const left = new RegExp(
      `\\b(?:it|test|describe)(?:\\.\\w+)*\\.(${['sk' + 'ip', 'on' + 'ly', 'to' + 'do'].join('|')})\\w*\\b`,
    )
    expect(linesWith(tests, left)).toEqual([])
  })

  test('name no place of one machine', () => {
    const all = [...everything, ...texts('config', 'docs', 'schemas')]
    expect(all.length).toBeGreaterThan(100)
    expect(linesWith(all, MACHINE_PATH)).toEqual([])
  })
})

/** The file and what it imports, types aside, over however many files. */
function reachOf(path: string, files: ReadonlyMap<string, SourceFile>, reached = new Set<string>()): Set<string> {
  const file = files.get(path)
  if (file === undefined || reached.has(path)) return reached
  reached.add(path)
  for (const { to, isType } of importsOf(file)) if (!isType) reachOf(to, files, reached)
  return reached
}

test('test files that run the crash pipeline on the run’s broker run apart, and no others: its topics have one name a process', () => {
  const files = new Map(tests.map((file) => [file.path, file]))
  const isOnIt = (path: string): boolean => /(?<!function )\bsharedBroker\(\)/.test(files.get(path)!.text)
  const both = [...files.keys()].filter((path) => {
    if (!/^test\/(?!long\/).*\.test\.ts$/.test(path)) return false
    const reached = reachOf(path, files)
    return reached.has('test/support/crashPipeline.ts') && [...reached].some(isOnIt)
  })
  const apart = config.test?.projects?.flatMap((project) => {
    const { test: options } = project as { test: { name: string; include: string[] } }
    return options.name === 'apart' ? options.include : []
  })
  expect(both.length).toBeGreaterThan(3)
  expect(apart).toEqual(both.sort())
})

describe('these checks', () => {
  const fileOf = (path: string, text: string): SourceFile => ({ path, text, lines: text.split('\n') })

  test('see the imports of a file, whatever their form', () => {
    const text = [
      "import { a } from './b.ts'",
      "import type { C } from '../log/chunk.ts'",
      "import {\n  d,\n  type E,\n} from '../cli/f.ts'",
      "export * from '../actors/g.ts'",
      "import 'node:fs'",
      "const h = await import('../sinks/i.ts')",
    ].join('\n')
    const found = importsOf(fileOf('src/codec/x.ts', text))
    const expected = [
      'src/codec/b.ts',
      'src/log/chunk.ts',
      'src/cli/f.ts',
      'src/actors/g.ts',
      'node:fs',
      'src/sinks/i.ts',
    ]
    expect(found.map(({ to }) => to)).toEqual(expected)
    expect(found.filter(({ isType }) => isType).map(({ to }) => to)).toEqual(['src/log/chunk.ts'])
    expect(found.filter(({ to }) => layerOf(to) !== undefined).map(isAllowed)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })

  test('see a place of one machine, and take no route or relative path for one', () => {
    const bad = [`'/${'t' + 'mp'}/x'`, `cd /${'wo' + 'rk'}`, `/${'ho' + 'me'}/me`]
    const good = ["'./tmp/x'", 'https://x.org/home/', 'join(tmpdir(), x)', 'src/work/x.ts']
    expect(linesWith([fileOf('x', [...bad, ...good].join('\n'))], MACHINE_PATH)).toHaveLength(bad.length)
  })

  test('see a clock, and take no word in a comment for one', () => {
    const text =
      '/** a process, Date.now() */\nconst a = Date.now() // Date.now()\nconst b = x.process(1)\nsetTimeout(f)'
    expect(linesWith([codeOf(fileOf('x', text))], IMPURE)).toHaveLength(2)
  })
})

test('the lock file names no registry', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string }>
  }
  const resolved = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)
  expect(Object.keys(lock.packages).length).toBeGreaterThan(50)
  expect(resolved.map(([name]) => name)).toEqual([])
})

function wordsOf(words: string): RegExp {
  return new RegExp(`(?<![\\w.'])(${words.split(' ').join('|')})(?=[.(\\s])`)
}

function codeOf(file: SourceFile): SourceFile {
  return { ...file, lines: withoutComments(file.text).split('\n') }
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, '')).replace(/(^|\s)\/\/.*$/gm, '')
}

function texts(...folders: string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        const text = readFileSync(path, 'utf8')
        return { path: path.slice(ROOT.length), text, lines: text.split('\n') }
      }),
  )
}
