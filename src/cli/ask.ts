/**
 * Asks running nodes over their control servers: those whose addresses lie in the data folder, or the one of `--url`.
 * Where the configuration has a token that looks, it is sent.
 *
 * How it fails: a node that does not answer is told as silent, never waited for longer than ASK_LIMIT_MS.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { askingHeaders } from '../inspect/access.ts'
import { findNodes } from '../inspect/address.ts'
import type { ClusterAnswer } from '../inspect/cluster.ts'
import type { Silent } from '../inspect/others.ts'
import { UsageError } from './usage.ts'

export interface Where {
  readonly config: string
  readonly url?: string
}

export interface Answers<T> {
  readonly answers: readonly T[]
  /** Nodes that should be there and did not answer, and why. */
  readonly silent: readonly { readonly url: string; readonly reason: string }[]
  /** Where was looked, for the line that says that nobody is there. */
  readonly lookedAt: string
}

const ASK_LIMIT_MS = 5000

export async function askNodes<T>(path: string, where: Where): Promise<Answers<T>> {
  const { urls, lookedAt, headers } = await targetOf(where)
  const asked = await Promise.allSettled(urls.map((url) => ask<T>(url, path, headers)))
  return {
    answers: asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    silent: asked.flatMap((one, i) =>
      one.status === 'rejected' ? [{ url: urls[i], reason: reasonOf(one.reason as Error) }] : [],
    ),
    lookedAt,
  }
}

export interface GroupAnswers<T> {
  /** Null where nobody knows the group. */
  readonly cluster: ClusterAnswer | null
  readonly answers: readonly T[]
  readonly silent: readonly Silent[]
}

/**
 * Asks the nodes whose addresses lie here, and whoever else their group knows of; `idOf` says which node an answer is of.
 * Rejects where none of those that lie here answers.
 */
export async function askGroup<T>(path: string, where: Where, idOf: (answer: T) => string): Promise<GroupAnswers<T>> {
  const here = await askNodes<T>(path, where)
  if (here.answers.length === 0) throw new Error(nobodyLine(here))
  const cluster = await askAny<ClusterAnswer>('/cluster', where).catch(() => null)
  const known = new Set([...here.answers.map(idOf), ...here.silent.map(({ url }) => url)])
  const others = (cluster?.members ?? []).filter(({ id, url }) => !known.has(id) && !known.has(url))
  const asked = await Promise.allSettled(others.map(({ url }) => askOne<T>(url, path, where)))
  return {
    cluster,
    answers: [...here.answers, ...asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))],
    silent: [
      ...here.silent.map(({ url, reason }) => ({ node: url, reason })),
      ...asked.flatMap((one, i) =>
        one.status === 'rejected'
          ? [{ node: `${others[i].id} at ${others[i].url}`, reason: reasonOf(one.reason as Error) }]
          : [],
      ),
    ],
  }
}

/** One question to one node. */
export async function askOne<T>(url: string, path: string, where: Where): Promise<T> {
  return ask<T>(url, path, (await targetOf(where)).headers)
}

/** Asks one node, which answers for all: the first that does. Rejects with what it refused, or that nobody is there. */
export async function askAny<T>(path: string, where: Where, limitMs = ASK_LIMIT_MS): Promise<T> {
  const { urls, lookedAt, headers } = await targetOf(where)
  const silent: { url: string; reason: string }[] = []
  for (const url of urls) {
    try {
      return await ask<T>(url, path, headers, limitMs)
    } catch (error) {
      // What a node refuses another would refuse too.
      if (error instanceof Refused) throw error
      silent.push({ url, reason: reasonOf(error as Error) })
    }
  }
  throw new NobodyError(nobodyLine({ answers: [], silent, lookedAt }))
}

/** No node answers. */
export class NobodyError extends Error {
  override name = 'NobodyError'
}

/** A node answers, and not with what was asked for. */
export class Refused extends Error {
  override name = 'Refused'
}

/** One line that says that no node answered, and what was tried. */
export function nobodyLine({ silent, lookedAt }: Answers<unknown>): string {
  if (silent.length === 0) return `no node is running here (${lookedAt})`
  return `no node answers: ${silent.map(({ url, reason }) => `${url} (${reason})`).join(', ')}`
}

interface Target {
  readonly urls: readonly string[]
  readonly lookedAt: string
  readonly headers: Readonly<Record<string, string>>
}

async function targetOf({ config, url }: Where): Promise<Target> {
  if (url === undefined) {
    const { dataDir, control } = loadConfig(config, process.env).node
    const nodes = await findNodes(dataDir)
    const lookedAt = `no address in ${dataDir}/nodes`
    return { urls: nodes.map((node) => node.url), lookedAt, headers: askingHeaders(control) }
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`--url ${url}: must be a node's address, such as http://127.0.0.1:7400`)
  }
  const { origin } = new URL(url)
  // A node elsewhere is asked without a configuration, too.
  const isConfigured = existsSync(join(config, 'pipeline.yaml'))
  const headers = isConfigured ? askingHeaders(loadConfig(config, process.env).node.control) : {}
  return { urls: [origin], lookedAt: origin, headers }
}

async function ask<T>(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  limitMs = ASK_LIMIT_MS,
): Promise<T> {
  const response = await fetch(new URL(path, url), { headers, signal: AbortSignal.timeout(limitMs) })
  if (!response.ok) throw new Refused(`answered ${response.status}${await reasonIn(response)}`)
  return (await response.json()) as T
}

/** What a control server says of a refusal. */
async function reasonIn(response: Response): Promise<string> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: unknown }
  return typeof error === 'string' ? `: ${error}` : ''
}

export function reasonOf(error: Error): string {
  if (error.name === 'TimeoutError') return `no answer within ${ASK_LIMIT_MS} ms`
  const cause = error.cause as NodeJS.ErrnoException | undefined
  return cause?.code ?? error.message
}
