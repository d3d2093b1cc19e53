/**
 * Secrets by reference: `env:NAME` and `file:PATH`. A secret written out in a configuration file is refused, since
 * such files are committed, copied and shown.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { problem } from './check.ts'
import { ConfigError } from './problem.ts'

export interface SecretSource {
  readonly file: string
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** Over files nobody is connected to: credentials are left out, and may refer to what is not there. */
  readonly isOverFiles?: boolean
}

/** A value that may be written out, or referred to. */
export function resolveText(text: string, key: string, from: SecretSource): string {
  if (text.startsWith('env:')) return fromEnv(text.slice('env:'.length), key, from)
  if (text.startsWith('file:')) return fromFile(text.slice('file:'.length), key, from)
  return text
}

/** A value that must be referred to. */
export function resolveSecret(text: string, key: string, from: SecretSource): string {
  if (/^(env|file):./.test(text)) return resolveText(text, key, from)
  throw new ConfigError([
    problem(from.file, key, 'must be env:NAME or file:PATH: secrets are not written in configuration'),
  ])
}

function fromEnv(name: string, key: string, from: SecretSource): string {
  const value = from.env[name]
  if (value !== undefined && value !== '') return value
  throw new ConfigError([problem(from.file, key, `the environment variable ${name} is not set`)])
}

function fromFile(path: string, key: string, from: SecretSource): string {
  try {
    return readFileSync(resolve(from.folder, path), 'utf8').trimEnd()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new ConfigError([problem(from.file, key, `the file ${path} cannot be read: ${code}`)])
  }
}
