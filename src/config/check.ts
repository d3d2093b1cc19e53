/**
 * Reads a YAML file and holds it against its shape; turns what zod says into problems with file, key and value.
 */
import { readFileSync } from 'node:fs'
import { type Document, isPair, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import { ConfigError, type Problem } from './problem.ts'

const ALIASES_MAX = 100

/** The file's content as plain values; undefined where the file does not exist and `optional` allows that. */
export function readYaml(file: string, optional: boolean): unknown {
  const text = readText(file, optional)
  if (text === undefined) return undefined
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: true })
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => problem(file, '', `not YAML: ${error.message.split('\n')[0]}`)),
    )
  }
  const value = plainValue(document, file)
  const bad = keyNamedProto(value, '')
  if (bad !== undefined) throw new ConfigError([problem(file, bad, 'no such key')])
  return value ?? {}
}

/** An alias that stands for nothing, or for what it is itself in, is named by its key. */
function plainValue(document: Document, file: string): unknown {
  const problems: Problem[] = []
  visit(document, {
    Alias(key, alias, above) {
      const meant = alias.resolve(document)
      const refuse = (why: string): void => {
        problems.push(problem(file, keyOf(key, above), `not YAML: the alias *${alias.source} ${why}`))
      }
      if (meant === undefined) refuse('has no anchor before it')
      else if (above.includes(meant)) refuse('stands within its own anchor')
    },
  })
  if (problems.length > 0) throw new ConfigError(problems)
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    // What else it may not like is how much the aliases stand for.
    throw new ConfigError([problem(file, '', `cannot be read: ${(error as Error).message}`)])
  }
}

function keyOf(key: number | 'key' | 'value' | null, above: readonly (Document | Node | Pair)[]): string {
  const parts = above.flatMap((node, depth) => {
    if (isPair(node)) return [node.key]
    return isSeq(node) ? [depth + 1 < above.length ? node.items.indexOf(above[depth + 1]) : key] : []
  })
  return dotted(parts.map(String))
}

export function checkShape<S extends z.ZodType>(shape: S, raw: unknown, file: string): z.output<S> {
  const result = shape.safeParse(raw)
  if (result.success) return result.data
  throw new ConfigError(result.error.issues.flatMap((issue) => issueProblems(issue, raw, file)))
}

function readText(file: string, optional: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    if (optional && code === 'ENOENT') return undefined
    throw new ConfigError([problem(file, '', code === 'ENOENT' ? 'no such file' : `cannot be read: ${code}`)])
  }
}

/** zod leaves `__proto__` out in silence; nothing here may be accepted in silence. */
function keyNamedProto(value: unknown, path: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const key of Object.keys(value)) {
    const at = path === '' ? key : `${path}.${key}`
    if (key === '__proto__') return at
    const found = keyNamedProto((value as Record<string, unknown>)[key], at)
    if (found !== undefined) return found
  }
  return undefined
}

function issueProblems(issue: z.core.$ZodIssue, raw: unknown, file: string): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) =>
      problem(file, dotted([...issue.path, key]), 'no such key', at(raw, [...issue.path, key])),
    )
  }
  if (issue.code === 'invalid_union') return unionProblems(issue, raw, file)
  if (issue.code === 'invalid_key') {
    return [problem(file, dotted(issue.path), issue.issues[0]?.message ?? issue.message)]
  }
  const value = at(raw, issue.path)
  const missing = value === undefined && issue.code === 'invalid_type'
  return [problem(file, dotted(issue.path), missing ? 'is needed and missing' : issue.message, value)]
}

/**
 * Of a union, the branch that the value is meant for says what is wrong: the one that failed deepest, or for reasons
 * other than the value's type. Where no branch is meant, the union's own message stands.
 */
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, raw: unknown, file: string): Problem[] {
  const branches = issue.errors ?? []
  const meant = branches.find(
    (issues) => issues.length > 0 && !issues.some((it) => it.path.length === 0 && it.code === 'invalid_type'),
  )
  if (meant === undefined) return [problem(file, dotted(issue.path), issue.message, at(raw, issue.path))]
  return meant.flatMap((inner) =>
    issueProblems({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, raw, file),
  )
}

export function problem(file: string, key: string, message: string, value?: unknown): Problem {
  return { file, key, value, message }
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

function at(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}
