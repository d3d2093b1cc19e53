/**
 * The real events of the tests: the Taobao user-behaviour set as a compressed CSV, from POSTVIEW_DATA (the file, or its
 * folder) or from beside the project. Where neither is there, a small set of the same form, made from a seed: so nothing
 * that uses it is skipped. `origin` says which it is.
 *
 * How it fails: a row that is not of the known form is an error with its number.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Random } from './random.ts'
import type { TestEvent } from './testSource.ts'

const FILE = 'taobao-user-behavior-2h.csv.gz'
const BESIDE = fileURLToPath(new URL('../../../shared/data', import.meta.url))
const ROW = /^(\d+),(\d+),(\d+),(pv|cart|fav|buy),(\d+)$/
const MADE_ROWS = 20_000
const MADE_FROM_S = 1_511_658_000
const MADE_SPAN_S = 7_200

export const TAOBAO_COLUMNS = 'user,item,category,behaviour,seconds'

export interface Taobao {
  readonly origin: string
  /** The compressed CSV: without a header, views and engagements mixed. */
  readonly path: string
  /** Of page views the note is the category; of engagements the value is. */
  readonly views: readonly TestEvent[]
  readonly engagements: readonly TestEvent[]
}

/** `folder` is where a set that must be made is written to. */
export function readTaobao(folder: string): Taobao {
  const found = findFile()
  const path = found ?? join(folder, FILE)
  if (found === undefined) writeFileSync(path, gzipSync(madeCsv(1)))
  const events = gunzipSync(readFileSync(path)).toString().trim().split('\n').map(eventOf)
  return {
    origin: found === undefined ? `${MADE_ROWS} rows made by the test: ${FILE} is not at hand` : FILE,
    path,
    views: events.filter((event) => event.type === undefined),
    engagements: events.filter((event) => event.type !== undefined),
  }
}

function findFile(): string | undefined {
  const named = process.env.POSTVIEW_DATA || BESIDE
  const path = existsSync(named) && statSync(named).isDirectory() ? join(named, FILE) : named
  return existsSync(path) ? path : undefined
}

function eventOf(line: string, i: number): TestEvent {
  const row = ROW.exec(line)
  if (row === null) throw new Error(`row ${i + 1} is not user,item,category,behaviour,seconds: ${line}`)
  const [, user, item, category, behaviour, seconds] = row
  const base = { user, item, timeMs: Number(seconds) * 1000 }
  return behaviour === 'pv'
    ? { ...base, note: Number(category) }
    : { ...base, type: behaviour, value: Number(category) }
}

/** Rows in the order of time; users come back to items, so that more engagements find a view than in the real set. */
function madeCsv(seed: number): string {
  const random = new Random(seed)
  const rows: string[] = []
  for (let i = 0; i < MADE_ROWS; i++) {
    const user = 1 + random.below(2_000)
    const item = 1 + ((user * 31 + random.below(12)) % 5_000)
    const behaviour = random.chance(0.89) ? 'pv' : random.pick(['cart', 'cart', 'fav', 'buy'])
    const seconds = MADE_FROM_S + Math.floor((i * MADE_SPAN_S) / MADE_ROWS)
    rows.push(`${user},${item},${item % 97},${behaviour},${seconds}`)
  }
  return `${rows.join('\n')}\n`
}
